"""Webhooks: told, signed, sent, given up, sent again, and taken in."""
