"""Cursors of lists: where the next page begins, and by what the list is filtered.

A cursor is opaque to callers and holds no right: whoever makes one up gets what they may see, or a
problem. The owner is inside, so that a cursor is never taken for a page of another list.
"""

import base64
import binascii
from typing import TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from keepsake.http.problems import Problem

LONGEST = 2_000  # characters


class Cursor(BaseModel):
    """The base of a list's cursor. `list` is a Literal of the list's name, `owner` an id."""

    model_config = ConfigDict(extra="forbid", strict=True)

    list: str
    owner: int


C = TypeVar("C", bound=Cursor)


def encode(cursor: Cursor) -> str:
    """The cursor as callers get it."""
    text = cursor.model_dump_json(exclude_defaults=True).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(shape: type[C], text: str, owner_id: int) -> C:
    """A cursor that a caller sends.

    Raises:
        Problem: it is none of this list and owner.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = shape.model_validate_json(base64.b64decode(padded, b"-_", validate=True))
        if cursor.owner != owner_id or encode(cursor) != text:
            raise ValueError
    except (ValueError, ValidationError, binascii.Error):
        raise Problem(
            "invalid_input",
            "cursor: this is none of this list: use `next` as the last page gave it, or begin "
            "without one",
        ) from None
    return cursor


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Name the next page in the header `Link` (RFC 8288)."""
    if cursor is not None:
        asked = {name: request.query_params[name] for name in ("owner", "limit")
                 if name in request.query_params}  # fmt: skip
        url = request.url.replace(query="").include_query_params(**asked, cursor=cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
