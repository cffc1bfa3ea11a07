"""Messages to people: kept in one outbox, sent at most once, and never lost without a trace.

What a message says and when it is due belongs to what it is about: the daily quote and the week's
questions to `keepsake/family/`, the end of an import to `keepsake/import_messages.py`.
"""
