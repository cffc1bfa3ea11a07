"""Clients of what Keepsake talks to: the four model roles, the object store, Cobalt.

A client makes one attempt, speaks its provider's protocol and says in `keepsake.errors` words what
went wrong. When to try again is the line's business; what to ask of a model is the step's.
"""
