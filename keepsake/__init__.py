"""Keepsake's library: everything that does not need Dagster.

Clients of models and stores, the schema, the ledger and the engine that carries records through
the steps of a line live here; what is a Dagster asset, resource, sensor or schedule does not.
"""
