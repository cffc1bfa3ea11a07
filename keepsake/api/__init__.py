"""The front door: one process that answers HTTP, with the API, the pages and the feeds.

Here are the application, what serves it, and the routes that are of no line. A line's own routes
are in its folder. What routes share is in `keepsake/http/`. Nothing here knows Dagster.
"""
