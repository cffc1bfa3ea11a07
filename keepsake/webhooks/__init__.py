"""Webhooks: what happens to an owner's records and jobs is posted to addresses that it names.

An event is told by a trigger, in the transaction in which it happens (`keepsake/migrations/`,
`tell_webhooks`): a job of type `send_webhook` for each endpoint that asks for such events, with the
body as it is sent. What events there are is in `events.py`, to whom they go in `endpoints.py`, how
one is sent and what becomes of an endpoint that fails in `sending.py`, what was sent and sending it
again in `deliveries.py`. `received.py` takes what others post to us.

What runs the jobs is not here (`keepsake/jobs/`), nor are routes and commands.
"""
