"""Monitoring: what the figures say, to people, to Prometheus and to those on call.

`insights.py` is what pages, the API, the command line and alerts read. What is counted, and where,
is in `keepsake/metrics/`.
"""
