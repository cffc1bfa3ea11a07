"""Answers in a given shape: the JSON schema a model is shown, and the reading of what it wrote.

Pure functions: nothing here calls a model. What a particular answer should hold is a step's
business.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)
Json = dict[str, Any]

# Limits that providers refuse in strict schemas. The pydantic model still checks them.
_LIMITS = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "uniqueItems", "minItems", "maxItems"),
}
_NOISE = {"title", "default", "examples", "discriminator", "$defs"}
_MOST_PROBLEMS = 8


@dataclass(frozen=True)
class Form(Generic[T]):
    """A shape an answer must have: the pydantic model and its schema in two renderings."""

    shape: type[T]
    name: str
    schema: Json
    text: str  # the schema as compact JSON


class Unfit(Exception):
    """An answer that does not fit its form.

    Attributes:
        hint: what to tell the model; may repeat what it wrote.
        kinds: field paths and kinds of error only, fit to be stored and shown.
    """

    def __init__(self, *, hint: str, kinds: str) -> None:
        super().__init__(kinds)
        self.hint = hint
        self.kinds = kinds


@lru_cache(maxsize=256)
def form_of(shape: type[T], *, limits: bool) -> Form[T]:
    """The form of a pydantic model, in the subset of JSON schema that every provider accepts.

    All properties are required, no others allowed, references are written out (so a shape must not
    contain itself), and defaults and limits are left out.

    Args:
        shape: the pydantic model.
        limits: keep the bounds on texts, numbers and lists, for a server that enforces them.
    """
    drop = _NOISE | (set() if limits else _LIMITS)
    whole = shape.model_json_schema()
    schema = _strict(whole, whole.get("$defs", {}), drop)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", shape.__name__)[:64]
    return Form(shape, name, schema, json.dumps(schema, separators=(",", ":"), ensure_ascii=False))


def read_answer(form: Form[T], text: str, context: Any = None) -> T:
    """The first JSON object in `text`, as the form's pydantic model.

    What surrounds it is passed over: thoughts in `<think>` tags, code fences, pleasantries. NUL
    characters are taken out.

    Raises:
        Unfit: there is no such object, or it does not fit.
    """
    thoughtless = text if text.lstrip().startswith("{") else text.rpartition("</think>")[2]
    start = thoughtless.find("{")
    if start < 0:
        raise Unfit(hint="it held no JSON object", kinds="no JSON object")
    try:
        # strict=False: weak models write line breaks into strings as they are.
        found, _ = json.JSONDecoder(strict=False).raw_decode(thoughtless, start)
    except (ValueError, RecursionError):
        raise Unfit(hint="its JSON was broken or cut off", kinds="broken JSON") from None
    try:
        return form.shape.model_validate(without_nul(found), context=context)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise Unfit(
            hint=_listed((_path(p["loc"]), p["msg"]) for p in problems),
            kinds=_listed((_path(p["loc"], form.text), p["type"]) for p in problems),
        ) from None


def without_nul(value: Any) -> Any:
    """`value`, as JSON gives it, with no NUL in its strings: PostgreSQL cannot store them."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {key.replace("\x00", ""): without_nul(item) for key, item in value.items()}
    return value


def _strict(node: Any, definitions: Mapping[str, Any], drop: set[str]) -> Any:
    """`node` of a JSON schema without what strict servers refuse."""
    if isinstance(node, list):
        return [_strict(item, definitions, drop) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _strict({**target, **beside}, definitions, drop)
    strict: Json = {}
    for key, value in node.items():
        if key == "properties":  # its keys are names, which may look like keywords
            strict[key] = {name: _strict(v, definitions, drop) for name, v in value.items()}
            strict["required"] = list(value)
            strict["additionalProperties"] = False
        elif key == "enum":
            strict[key] = value
        elif key not in drop and key not in ("required", "additionalProperties"):
            strict["anyOf" if key == "oneOf" else key] = _strict(value, definitions, drop)
    return strict


def _path(location: tuple[int | str, ...], known: str | None = None) -> str:
    """`tags.0.name`. With `known` (a schema as text), a key the model made up becomes `?`."""
    return ".".join(
        str(part) if known is None or isinstance(part, int) or f'"{part}"' in known else "?"
        for part in location
    )


def _listed(problems: Iterable[tuple[str, str]]) -> str:
    """`tags.0: Field required; ...`, the first few."""
    lines = [f"{path}: {what}" if path else what for path, what in problems]
    more = [f"and {len(lines) - _MOST_PROBLEMS} more"] if len(lines) > _MOST_PROBLEMS else []
    return "; ".join(lines[:_MOST_PROBLEMS] + more)
