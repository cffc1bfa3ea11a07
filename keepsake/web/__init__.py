"""What comes from addresses that people, pages and redirects name.

Everything of that kind is fetched through `client.Web`, and read by functions in the worker
pool (`keepsake/worker_pool.py`). Endpoints that an operator names in the settings have clients of
their own in `keepsake/clients`; what is done with a page belongs to the steps of the bookmarks
line.
"""
