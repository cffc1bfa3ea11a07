"""Versions over HTTP: nothing is sent twice, and no change overwrites one that was not seen.

The ETag of a record is `"VERSION.HASH"`: the version changes with what people may change of it, the
hash with everything that is answered. A change names an ETag in `If-Match`, of which the version
counts: that a step was made meanwhile takes nobody's work away.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from keepsake.http.problems import Problem

_TAG = re.compile(r'(W/)?"([^"]*)"')


@dataclass(frozen=True)
class IfMatch:
    """The versions that a change may go out from; `any`: whatever there is."""

    versions: frozenset[str]
    any: bool

    def check(self, version: str) -> None:
        """Let the version pass that is there now.

        Raises:
            Problem: it is none of these.
        """
        if not self.any and version not in self.versions:
            raise Problem(
                "version_mismatch",
                "somebody has changed it since: read it again and decide anew",
                headers={"ETag": f'"{version}"'},
            )


def _if_match(
    if_match: Annotated[
        str | None,
        Header(description="An ETag of the record: as it was read, or as the last change gave it."),
    ] = None,
) -> IfMatch:
    if if_match is None:
        raise Problem(
            "version_required",
            "say in If-Match which version you have seen: the ETag of GET /api/records/{id}",
        )
    tags = {tag for weak, tag in _TAG.findall(if_match) if not weak}
    return IfMatch(frozenset(tag.partition(".")[0] for tag in tags), if_match.strip() == "*")


RequiredVersion = Annotated[IfMatch, Depends(_if_match)]


def answer_versioned(request: Request, content: BaseModel, version: str) -> Response:
    """Answer with a strong ETag; with 304 to a caller who has it already."""
    body = content.model_dump_json().encode()
    tag = f"{version}.{hashlib.sha256(body).hexdigest()[:16]}"
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in {each for _, each in _TAG.findall(known)}:
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/json")
