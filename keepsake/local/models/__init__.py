"""The local model server: four small models behind the OpenAI HTTP API on 127.0.0.1.

`python -m keepsake.local.models --port N` runs it. Here belong the protocol as OpenAI defines it
and what each model needs to speak it; not prompts, retries or anything about families. All weights
come with Python packages, so nothing is downloaded. No request is ever logged.
"""
