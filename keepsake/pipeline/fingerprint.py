"""Fingerprints: equal if and only if the content is."""

import dataclasses
import hashlib
import json
from typing import Any


def fingerprint(*parts: Any) -> str:
    """SHA-256 (hex, 32 digits) of plain data: dataclasses, arrays, dates and JSON types."""
    text = json.dumps(parts, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Not asdict(): it would copy what is nested just to throw it away.
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if hasattr(value, "tobytes"):
        return hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
