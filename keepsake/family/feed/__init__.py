"""The podcast of a family's stories, for those whom it gave an address.

Which stories are in it (`approval.py`), what is told of them (`episodes.py`), and how that is
written as RSS (`rss.py`). Who may fetch it is in `keepsake/accounts/listeners.py`, how it is served
in `keepsake/api/feeds.py`.
"""
