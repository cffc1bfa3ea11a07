"""What may be done for an owner, and what each role of a member may do."""

from typing import Literal

Permission = Literal["read", "ingest", "edit", "manage"]

# A token's scopes are some of these.
PERMISSIONS = {
    "read": "read, listen, search",
    "ingest": "add records",
    "edit": "change and delete records, make steps again",
    "manage": "members, tokens, feeds",
}

ROLES: dict[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "editor": frozenset({"read", "ingest", "edit"}),
    "owner": frozenset(PERMISSIONS),
}
