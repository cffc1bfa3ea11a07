"""The chat role: a question in, an answer in a given shape out.

`Chat` asks, reads the answer and has it repaired once. How the question goes over the wire is a
`Backend`'s business: OpenAI's protocol here, Bedrock's Converse in `bedrock.py`. Prompts belong to
the steps.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel

from keepsake.clients.failures import malformed
from keepsake.clients.model_connection import ModelConnection
from keepsake.clients.structured import Form, Unfit, form_of, read_answer
from keepsake.errors import PermanentError, UnfitAnswer
from keepsake.owners import usage
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.traces.spans import note_tokens

if TYPE_CHECKING:
    from openai import APIStatusError

T = TypeVar("T", bound=BaseModel)

REPAIR = (
    "\n\nYour previous answer could not be used: {hint}. "
    "Answer again, with one JSON object that fits the schema and nothing else."
)


@dataclass(frozen=True)
class Reply:
    """What a model wrote, and how it came to an end."""

    text: str
    ending: Literal["done", "cut off", "refused"]


class Backend(Protocol):
    """One provider's way of asking. It makes one attempt and counts its usage."""

    async def reply(self, system: str, user: str, form: Form[Any], max_tokens: int) -> Reply:
        """Ask once. Raises a `StepError` when there is no reply."""


class Chat:
    """The chat model of the settings."""

    def __init__(self, connection: ModelConnection, backend: Backend) -> None:
        self.model: str = connection.endpoint.model
        self.limiter: EndpointLimiter = connection.limiter
        self._backend = backend
        # The embedded server holds a model to every limit of a schema, and a small one needs it.
        self.enforces_schema: bool = connection.endpoint.embedded

    async def ask(
        self,
        shape: type[T],
        *,
        system: str,
        user: str,
        max_tokens: int = 800,
        context: Any = None,
    ) -> T:
        """Ask the model, and return its answer as `shape`.

        An answer that does not fit is repaired once, by a second call that says what was wrong.

        Args:
            shape: a pydantic model that does not contain itself.
            system: what the model is to do.
            user: what it is to do it with; the words of people belong here.
            max_tokens: the longest answer, thoughts included, in tokens.
            context: what the shape's own validators hold the answer against.

        Raises:
            UnfitAnswer: its answer did not fit after one repair.
            PermanentError: the model refused.
            StepError: the call failed; see `keepsake.clients.failures`.
        """
        form = form_of(shape, limits=self.enforces_schema)
        try:
            return await self._attempt(form, system, user, max_tokens, context)
        except Unfit as unfit:
            repair = user + REPAIR.format(hint=unfit.hint)
        try:
            return await self._attempt(form, system, repair, max_tokens, context)
        except Unfit as unfit:
            raise UnfitAnswer(
                f"answer did not fit the schema after one repair: {unfit.kinds}"
            ) from None

    async def _attempt(
        self, form: Form[T], system: str, user: str, max_tokens: int, context: Any
    ) -> T:
        reply = await self._backend.reply(system, user, form, max_tokens)
        if reply.ending == "refused":
            raise PermanentError("the chat model, or its provider's filter, refused to answer")
        if reply.ending == "cut off":
            raise Unfit(hint="it was cut off; be much shorter", kinds="cut off at max_tokens")
        return read_answer(form, reply.text, context)


def with_schema(system: str, form: Form[Any]) -> str:
    """The instructions, with the schema written out for a server that cannot enforce it."""
    return (
        f"{system}\n\nAnswer with one JSON object that fits this JSON schema, and with nothing "
        f"else:\n{form.text}"
    )


class Mode(IntEnum):
    """How an answer is held to its schema, best first; a server that refuses one gets the next."""

    JSON_SCHEMA = 0
    JSON_OBJECT = 1
    TEXT = 2


class _Relearned(PermanentError):
    """The server refused a way of asking; we know better now and may ask again at once."""


class OpenAIChat:
    """`/chat/completions` of OpenAI and of the many servers that speak like it.

    They differ in the response formats they accept and in the name of the length limit. What a
    server refuses is remembered for the life of the client.
    """

    def __init__(self, connection: ModelConnection) -> None:
        self._connection = connection
        self._mode = Mode.JSON_SCHEMA
        self._limit = "max_completion_tokens"

    async def reply(self, system: str, user: str, form: Form[Any], max_tokens: int) -> Reply:
        """Ask once, in the best way that this server is known to accept.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        while True:
            try:
                return await self._once(system, user, form, max_tokens)
            except _Relearned:
                continue  # ends: there are three modes and two names of the limit

    async def _once(self, system: str, user: str, form: Form[Any], max_tokens: int) -> Reply:
        from httpx2 import Response
        from openai import BadRequestError, UnprocessableEntityError

        endpoint = self._connection.endpoint
        async with self._connection.call() as client:
            mode, limit = self._mode, self._limit
            # Posted as it is: the SDK's own method walks the schema first, at 0.5 ms of CPU a call.
            body = {"model": endpoint.model, limit: max_tokens}
            try:
                response = await client.post(
                    "/chat/completions",
                    cast_to=Response,
                    body=body | _request(mode, system, user, form),
                )
            except (BadRequestError, UnprocessableEntityError) as error:
                if self._learns(error, mode, limit):
                    raise _Relearned("the server does not know this way of asking") from None
                raise
            answer = response.json()
            try:
                reply = _reply(answer)
            except (LookupError, TypeError, AttributeError):
                raise malformed(endpoint, "no choices") from None
            counted = answer.get("usage") or {}
            tokens_in = counted.get("prompt_tokens") or 0
            tokens_out = counted.get("completion_tokens") or 0
            usage.record(endpoint.model, tokens_in=tokens_in, tokens_out=tokens_out)
            note_tokens(tokens_in, tokens_out)
            return reply

    def _learns(self, error: "APIStatusError", mode: Mode, limit: str) -> bool:
        """Whether the refusal was about our way of asking, and there is another one."""
        about = str(error.body)
        if limit != "max_tokens" and limit in about:
            self._limit = "max_tokens"
            return True
        if mode is not Mode.TEXT and re.search(r"response_?format|json_(schema|object)", about):
            # max: of many calls at once, each is refused, and all of them mean the same step.
            self._mode = max(self._mode, Mode(mode + 1))
            return True
        return False


def _request(mode: Mode, system: str, user: str, form: Form[Any]) -> dict[str, Any]:
    """The part of a request that depends on the mode."""
    request: dict[str, Any] = {}
    if mode is Mode.JSON_SCHEMA:
        described = {"name": form.name, "strict": True, "schema": form.schema}
        request["response_format"] = {"type": "json_schema", "json_schema": described}
    elif mode is Mode.JSON_OBJECT:
        request["response_format"] = {"type": "json_object"}
    if mode is not Mode.JSON_SCHEMA:
        system = with_schema(system, form)
    request["messages"] = [
        {"role": "system", "content": system},
        {"role": "user", "content": user},
    ]
    return request


def _reply(answer: dict[str, Any]) -> Reply:
    """The first choice of a completion. Raises LookupError and the like when there is none."""
    choice = answer["choices"][0]
    message, finish = choice["message"], choice.get("finish_reason")
    text = message.get("content") or ""
    if message.get("refusal") or finish == "content_filter":
        return Reply(text, "refused")
    return Reply(text, "cut off" if finish == "length" else "done")
