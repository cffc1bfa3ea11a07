"""The embedded default: a PostgreSQL, a model server and Dagster of our own, started on loopback.

Nothing here runs in production, and nothing outside imports it but the commands that start things.
"""
