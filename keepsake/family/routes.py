"""Families over HTTP: their members, the questions to them, and what they answer."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from keepsake.accounts.principal import Principal
from keepsake.database import Connection
from keepsake.family.response import (
    Family,
    NewResponse,
    add_family,
    add_member,
    add_response,
    families,
    members,
)
from keepsake.family.weekly_prompts import add_prompt, interview_prompts, this_week
from keepsake.http.added import ADDED, Answer
from keepsake.http.bodies import (
    FORM,
    AboutFile,
    is_form,
    is_json,
    read_json,
    receive_file,
    received,
    upload_body,
)
from keepsake.http.callers import OwnerCaller, SignedIn, for_named_owner, for_owner, operator
from keepsake.http.idempotency import AskedOnce, IdempotencyKey, once
from keepsake.http.problems import Problem
from keepsake.http.state import ForState
from keepsake.records.received import ReceivedFile

router = APIRouter(prefix="/api", tags=["family"])

Reader = Annotated[OwnerCaller, for_owner("read")]
Sender = Annotated[OwnerCaller, for_owner("ingest")]
Editor = Annotated[OwnerCaller, for_owner("edit")]


# -- families and their members -----------------------------------------------------------------


class NewFamily(BaseModel):
    """A family to add."""

    name: str = Field(examples=["The Marlows"])
    time_zone: str = Field("UTC", description="IANA name.", examples=["Europe/Berlin"])
    language: str = Field("en", description="ISO 639 code of what its members speak.")
    values: list[str] = Field([], description="Values of its own to tag by.", max_length=100)


class FamilyOut(BaseModel):
    """A family."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[1])
    slug: str = Field(description="Short name: what `?owner=` takes.", examples=["the-marlows"])
    name: str = Field(examples=["The Marlows"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    language: str = Field(examples=["en"])


class NewMember(BaseModel):
    """A member to add."""

    name: str = Field(description="As stories have it.", examples=["Rose"])


class MemberOut(BaseModel):
    """A member of a family."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[4])
    name: str = Field(examples=["Rose"])


@router.post("/families", status_code=201, response_model=FamilyOut)
async def create_family(
    new: NewFamily,
    request: Request,
    state: ForState,
    _caller: Annotated[Principal, Depends(operator)],
    key: IdempotencyKey = None,
) -> Response:
    """Add a family with a vocabulary of values to tag by. For operators."""

    def add(connection: Connection, asked: AskedOnce) -> None:
        family = add_family(connection, **new.model_dump())
        body = FamilyOut.model_validate(family).model_dump()
        asked.keep_blocking(connection, Answer(201, body, f"/api/families/{family.slug}"))

    async with once(request, state, None, key) as asked:
        await asked.check(await request.body())
        await state.call(add, asked)
        return asked.response()


@router.get("/families")
async def list_families(caller: SignedIn, state: ForState) -> list[FamilyOut]:
    """The families that you may see."""
    found: list[Family] = []
    if caller.operator:
        found = await state.call(families)
    for owner_id in () if caller.operator else caller.owners:
        if caller.may(owner_id, "read"):
            found += await state.call_as(owner_id, families)
    return [FamilyOut.model_validate(family) for family in found]


@router.get("/families/{owner}")
async def read_family(caller: Annotated[OwnerCaller, for_named_owner("read")]) -> FamilyOut:
    """A family by its short name."""
    return FamilyOut.model_validate(await _family(caller))


async def _family(caller: OwnerCaller) -> Family:
    for family in await caller.call(families):
        if family.id == caller.owner_id:
            return family
    raise Problem("not_found", "this owner is no family")


@router.get("/members")
async def list_members(caller: Reader) -> list[MemberOut]:
    """The members of a family, by name."""
    await _family(caller)
    return [
        MemberOut.model_validate(member) for member in await caller.call(members, caller.owner_id)
    ]


@router.post("/members", status_code=201, response_model=MemberOut)
async def create_member(
    new: NewMember, request: Request, caller: Editor, key: IdempotencyKey = None
) -> Response:
    """Add a member to a family."""

    def add(connection: Connection, asked: AskedOnce) -> None:
        member_id = add_member(connection, family, new.name)
        name = next(m.name for m in members(connection, family.id) if m.id == member_id)
        asked.keep_blocking(
            connection, Answer(201, {"id": member_id, "name": name}, "/api/members")
        )

    family = await _family(caller)
    async with once(request, caller.state, caller.owner_id, key) as asked:
        await asked.check(await request.body())
        await caller.call(add, asked)
        return asked.response()


# -- interview prompts --------------------------------------------------------------------------


class NewPrompt(BaseModel):
    """A question to a family."""

    question: str = Field(examples=["Which smell takes you back to your first home?"])


class PromptOut(BaseModel):
    """A question to a family. A response with its id as `prompt_id` answers it."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[7])
    week: date | None = Field(
        description="Monday of the week it was written for; null: a person wrote it.",
        examples=["2026-11-23"],
    )
    question: str = Field(examples=["Which smell takes you back to your first home?"])
    answered_by: list[int] = Field(description="Records of the responses to it.", examples=[[12]])


@router.get("/interview-prompts")
async def list_interview_prompts(
    caller: Reader,
    week: Annotated[
        date | Literal["this"] | None,
        Query(description="A Monday, or `this` week's where the family lives. Absent: all."),
    ] = None,
) -> list[PromptOut]:
    """The interview prompts of a family, the newest week first."""
    family = await _family(caller)
    monday = this_week(family.time_zone) if week == "this" else week
    found = await caller.call(interview_prompts, family.id, week=monday)
    return [PromptOut.model_validate(prompt) for prompt in found]


@router.post("/interview-prompts", status_code=201, response_model=PromptOut)
async def create_interview_prompt(
    new: NewPrompt, request: Request, caller: Editor, key: IdempotencyKey = None
) -> Response:
    """Add a question by hand."""

    def add(connection: Connection, asked: AskedOnce) -> None:
        prompt = add_prompt(connection, family.id, new.question)
        body = PromptOut.model_validate(prompt).model_dump(mode="json")
        asked.keep_blocking(connection, Answer(201, body, "/api/interview-prompts"))

    family = await _family(caller)
    async with once(request, caller.state, caller.owner_id, key) as asked:
        await asked.check(await request.body())
        await caller.call(add, asked)
        return asked.response()


# -- responses ----------------------------------------------------------------------------------


class AboutResponse(BaseModel):
    """Who responds, when, and to what."""

    member: str = Field(description="Name or id of who speaks.", examples=["Rose"])
    recorded_at: datetime | None = Field(
        None,
        description="When, with its time zone. Absent: now.",
        examples=["2026-10-04T19:30:00+02:00"],
    )
    prompt_id: int | None = Field(
        None, ge=1, le=2**63 - 1, description="The interview prompt it answers."
    )
    priority: Literal["low", "normal", "urgent"] = "normal"
    external_id: str | None = Field(
        None, description="Your name for it: the same one again is the same response."
    )

    def response(self, text: str | None = None, audio: ReceivedFile | None = None) -> NewResponse:
        """As the library takes it."""
        named = self.model_dump(include=set(AboutResponse.model_fields))
        named["recorded_at"] = self.recorded_at or datetime.now(UTC)
        return NewResponse(**named, text=text, audio=audio)


class WrittenResponse(AboutResponse):
    """What a member wrote."""

    text: str = Field(examples=["When I was six we moved to the lighthouse."])


class AboutRecording(AboutFile, AboutResponse):
    """Who speaks in a recording."""


_RECORDING = "The recording, in any format that FFmpeg reads."
_BODY = upload_body(AboutRecording, "audio", _RECORDING)
_BODY["requestBody"]["content"] = {
    "application/json": {"schema": WrittenResponse.model_json_schema()},
    FORM: _BODY["requestBody"]["content"][FORM],
}
_AUDIO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": _RECORDING,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("audio/*", "application/octet-stream")
        },
    }
}


@router.post(
    "/responses", status_code=201, response_model=None, responses=ADDED, openapi_extra=_BODY
)
async def create_response(request: Request, caller: Sender, key: IdempotencyKey = None) -> Response:
    """Add what a member wrote (JSON) or said (a form with the part `audio`).

    The same again is the same response: one `external_id`, or one content from one member.
    """
    if is_json(request):
        written = await read_json(request, WrittenResponse)
        async with once(request, caller.state, caller.owner_id, key) as asked:
            await asked.check(await request.body())
            return await _add(caller, written.response(text=written.text), asked)
    if is_form(request):
        return await _add_form(request, caller, key)
    raise Problem(
        "unsupported_media_type",
        "send application/json for what was written; for a recording a multipart/form-data with "
        "its file as `audio`, or PUT it to /api/responses/audio",
    )


async def _add_form(request: Request, caller: OwnerCaller, key: str | None) -> Response:
    unknown = AboutRecording.model_construct()
    async with (
        once(request, caller.state, caller.owner_id, key) as asked,
        received(
            request, caller.state, unknown, file_field="audio", otherwise="recording"
        ) as upload,
    ):
        await asked.check(upload.fingerprint)
        return await _add(caller, upload.about.response(audio=upload.file), asked)


@router.put(
    "/responses/audio", status_code=201, response_model=None, responses=ADDED, openapi_extra=_AUDIO
)
async def upload_response(
    request: Request,
    caller: Sender,
    about: Annotated[AboutRecording, Query()],
    key: IdempotencyKey = None,
) -> Response:
    """Add a recording that is the whole body."""
    async with (
        once(request, caller.state, caller.owner_id, key) as asked,
        receive_file(request, caller.state, name=about.file_name, otherwise="recording") as file,
    ):
        await asked.check(file.sha256.encode())
        return await _add(caller, about.response(audio=file), asked)


async def _add(caller: OwnerCaller, new: NewResponse, asked: AskedOnce) -> Response:
    state = caller.state
    await add_response(
        state.pool,
        state.objects,
        state.settings,
        caller.owner_id,
        new,
        also=asked.answer_added,
    )
    return asked.response()
