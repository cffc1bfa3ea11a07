"""Forms that are made from the models of types of jobs: a field for each of the model's own.

What was typed stays what it was: the page shows it again, with what is wrong beside its field.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from types import NoneType
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, from_json

from keepsake.api.job_words import label
from keepsake.errors import InvalidInput

_KINDS = {str: "text", int: "number", float: "number", date: "date"}


class Errors(dict[str, str]):
    """What is wrong with what was typed, by the name of its field; '' is of none."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Keep what the block refuses as the error of a field."""
        try:
            yield
        except InvalidInput as error:
            self[name] = str(error)


@dataclass(frozen=True)
class Field:
    """A field of a form.

    Attributes:
        name: of the input.
        label: for people.
        kind: an input's type, `choice`, `words` with commas between, or `json` for what has no
            simpler form.
        default: what it holds at first.
        required: whether it must be filled in.
        hint: what it is about.
        choices: of a `choice`: what is sent, and what it means to people.
    """

    name: str
    label: str
    kind: str
    default: str
    required: bool
    hint: str
    choices: Mapping[str, str] = field(default_factory=dict)


def fields_of(model: type[BaseModel]) -> list[Field]:
    """The fields of a model."""
    return [_field(name, info) for name, info in model.model_fields.items()]


def _field(name: str, info: FieldInfo) -> Field:
    kind, choices = _kind(info.annotation)
    default = "" if info.default in (None, PydanticUndefined) else str(info.default)
    if kind in ("json", "words"):
        default = ""  # left empty it is what the model says
    return Field(
        f"data.{name}", label(name), kind, default, info.is_required(), info.description or "",
        choices,
    )  # fmt: skip


def _kind(annotation: Any) -> tuple[str, Mapping[str, str]]:
    """The kind of a field, and its choices."""
    alternatives = [each for each in get_args(annotation) if each is not NoneType]
    if get_origin(annotation) is Literal:
        return "choice", {str(each): str(each).replace("_", " ") for each in alternatives}
    if len(alternatives) == 1 and NoneType in get_args(annotation):
        return _kind(alternatives[0])
    if annotation is bool:
        return "choice", {"False": "no", "True": "yes"}
    if get_origin(annotation) in (tuple, list) and alternatives[0] is str:
        return "words", {}
    return _KINDS.get(annotation, "json"), {}


def filled(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, str]:
    """What the fields hold that were filled in to give this data."""
    shown = {"json": json.dumps, "words": ", ".join}
    return {
        each.name: shown.get(each.kind, str)(value)
        for each in fields_of(model)
        if (value := data.get(each.name.removeprefix("data."))) is not None
    }


def read(model: type[BaseModel], typed: Mapping[str, str]) -> tuple[dict[str, Any], Errors]:
    """The data that was typed, and what of it does not fit the model."""
    errors, data = Errors(), dict[str, Any]()
    for each in fields_of(model):
        text = typed.get(each.name, "").strip()
        if text:
            with errors.of(each.name):
                data[each.name.removeprefix("data.")] = _value(each, text)
    try:
        model.model_validate(data)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = f"data.{problem['loc'][0]}" if problem["loc"] else ""
            errors.setdefault(name, problem["msg"].removeprefix("Value error, "))
    return data, errors


def _value(each: Field, text: str) -> Any:
    """What the model is given; it makes numbers, days and the like of texts itself."""
    if each.kind == "words":
        return [word for word in (part.strip() for part in text.split(",")) if word]
    if each.kind != "json":
        return text
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInput(f"this is no JSON: {error}") from None


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """A day and a time by that clock, as browsers send them: `2026-12-01T09:00`.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        raise InvalidInput("this is no day and time: write it like 2026-12-01T09:00") from None


async def typed(request: Request) -> dict[str, str]:
    """What a form sends, as it was typed."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}
