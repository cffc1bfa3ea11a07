"""Traces: spans of runs, records, steps, model calls, jobs and requests, sent by OpenTelemetry.

`spans.py` is what the library calls, and lists all that a span may hold. `otlp.py` sends them; it
is the only module that imports OpenTelemetry, and is imported only where spans are sent. What is
traced is decided where the work is done.
"""
