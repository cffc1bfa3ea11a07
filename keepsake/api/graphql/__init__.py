"""GraphQL at `/graphql`: jobs for programs that would rather ask one question than five.

It is a second door to what REST has: who asks, what they may do and what a job is are decided where
REST decides it (`keepsake/http/`). Here are the schema, what a query may cost, and the two ways to
send one: POST, and a websocket for subscriptions. Dagster's own GraphQL is elsewhere
(`keepsake/api/dagster.py`).
"""
