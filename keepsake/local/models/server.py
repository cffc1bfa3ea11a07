"""The HTTP side: routes, reading requests, and keeping the models off the event loop."""

import asyncio
import json
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Event
from typing import Any, Generic, TypeVar, cast

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from keepsake.local.models import chat, embeddings, speech, transcription
from keepsake.local.models.errors import Abandoned, RequestRefused
from keepsake.settings import LOCAL_CHOICES, LOCAL_MODELS, ROLES, Role
from keepsake.settings.embedding_models import EMBEDDED

_log = logging.getLogger(__name__)

Model = TypeVar("Model")
Answer = TypeVar("Answer")


class Worker(Generic[Model]):
    """A model that is loaded at its first call and works in threads, a few calls at once."""

    def __init__(self, load: Callable[[], Model], at_once: int) -> None:
        self._load = load
        self._gate = asyncio.Semaphore(at_once)
        self._loading = asyncio.Lock()
        self._model: Model | None = None

    async def run(self, request: Request, work: Callable[[Model, Event], Answer]) -> Answer:
        """Call `work` with the model, in a thread, as soon as one more may run.

        The second argument of `work` is set when the client has gone. Work that checks it can
        stop early; a request that still waits is dropped.

        Raises:
            RequestRefused: the model cannot answer this request, or failed.
            Abandoned: the client has gone.
        """
        async with _watched(request) as abandoned, self._gate:
            if abandoned.is_set():
                raise Abandoned
            try:
                return await asyncio.to_thread(work, await self._loaded(), abandoned)
            except (RequestRefused, Abandoned):
                raise
            except Exception as error:
                # Where and what, but not the message of the error: it may quote the request.
                where = traceback.extract_tb(error.__traceback__)[-1]
                kind = type(error).__name__
                _log.error("%s at %s:%s", kind, where.filename, where.lineno)
                raise RequestRefused(f"the model failed: {kind}", status=500) from None

    async def _loaded(self) -> Model:
        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(self._load)
            return self._model


class Endpoints:
    """The handlers of the four roles and of the two routes about the server itself."""

    def __init__(self) -> None:
        self._started = int(time.time())
        self._chat = Worker(chat.LocalChat, chat.AT_ONCE)
        self._embeddings = Worker(embeddings.LocalEmbeddings, embeddings.AT_ONCE)
        self._transcription = Worker(transcription.LocalTranscription, transcription.AT_ONCE)
        self._speech = Worker(speech.LocalSpeech, speech.AT_ONCE)

    async def health(self, _: Request) -> Response:
        """Whether the server answers; its models load when they are first asked."""
        return JSONResponse({"status": "ok"})

    async def models(self, _: Request) -> Response:
        """What can be asked for."""
        about = {"object": "model", "created": self._started, "owned_by": "keepsake"}
        models = [{"id": name} | about for role in ROLES for name in _served(role)]
        return JSONResponse({"object": "list", "data": models})

    async def complete_chat(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        body = await _json(request, "chat")
        return JSONResponse(
            await self._chat.run(request, lambda model, gone: model.answer(body, gone))
        )

    async def embed(self, request: Request) -> Response:
        """`POST /v1/embeddings`."""
        body = await _json(request, "embeddings")
        return JSONResponse(
            await self._embeddings.run(request, lambda model, _: model.answer(body))
        )

    async def transcribe(self, request: Request) -> Response:
        """`POST /v1/audio/transcriptions`."""
        async with request.form() as form:
            wanted = _transcription_request(form)
            answer = await self._transcription.run(request, lambda model, _: model.answer(wanted))
        return PlainTextResponse(answer) if isinstance(answer, str) else JSONResponse(answer)

    async def speak(self, request: Request) -> Response:
        """`POST /v1/audio/speech`."""
        wanted = speech.SpeechRequest.read(await _json(request, "speech"))
        sound = await self._speech.run(request, lambda model, _: model.answer(wanted))
        return Response(sound, media_type=wanted.media_type)


def build_app() -> Starlette:
    """The server as an ASGI application."""
    endpoints = Endpoints()
    return Starlette(
        routes=[
            Route("/health", endpoints.health),
            Route("/v1/models", endpoints.models),
            Route("/v1/chat/completions", endpoints.complete_chat, methods=["POST"]),
            Route("/v1/embeddings", endpoints.embed, methods=["POST"]),
            Route("/v1/audio/transcriptions", endpoints.transcribe, methods=["POST"]),
            Route("/v1/audio/speech", endpoints.speak, methods=["POST"]),
        ],
        # A web page that points a name of its own at 127.0.0.1 is turned away.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        exception_handlers={
            RequestRefused: _refuse,
            HTTPException: _refuse,
            Abandoned: _close,
        },
    )


@asynccontextmanager
async def _watched(request: Request) -> AsyncIterator[Event]:
    """An event that is set when the client closes the connection, within the block.

    The body of the request has been read by then: what comes next is the end of the connection.
    """
    abandoned = Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        abandoned.set()

    watcher = asyncio.create_task(watch())
    try:
        yield abandoned
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def _json(request: Request, role: Role) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RequestRefused("the body of the request is not valid JSON") from None
    if not isinstance(body, dict):
        raise RequestRefused("the body of the request must be a JSON object")
    _check_model(body.get("model"), role)
    return body


def _transcription_request(form: FormData) -> transcription.TranscriptionRequest:
    _check_model(form.get("model"), "transcription")
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise RequestRefused("the form has no file", param="file")
    granularities = form.getlist("timestamp_granularities[]")
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return transcription.TranscriptionRequest.read(
        upload.file, fields, [str(granularity) for granularity in granularities]
    )


def _served(role: Role) -> tuple[str, ...]:
    """The models of a role, the default first."""
    if role == "embeddings":
        return tuple(EMBEDDED)
    return LOCAL_CHOICES.get(role, (LOCAL_MODELS[role],))


def _check_model(name: object, role: Role) -> None:
    if not name or not isinstance(name, str):
        raise RequestRefused("you must provide a model parameter", param="model")
    if name not in (served := _served(role)):
        raise RequestRefused(
            f"The model {name!r} does not exist here: for {role} ask for {' or '.join(served)}",
            param="model",
            code="model_not_found",
            status=404,
        )


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # Starlette's own: an unknown path, a malformed form
        error = RequestRefused(error.detail, status=error.status_code)
    return cast(RequestRefused, error).response()


async def _close(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nginx's code for it; there is no client to read it
