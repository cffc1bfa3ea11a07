"""The embedded default: a model server, the API, a worker and Dagster, started on loopback.

Nothing here runs in production, and nothing outside imports it but the commands that start things.
"""
