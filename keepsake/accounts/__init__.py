"""Accounts: who asks, and what they may do.

Users, memberships, tokens, sessions, sign-in. This room alone works outside an owner's transaction:
it says whose transaction it may be. Nothing of HTTP is here.
"""
