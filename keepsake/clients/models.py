"""The four model roles, opened together for the life of one event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from keepsake.clients.bedrock import BedrockChat
from keepsake.clients.chat import Chat, OpenAIChat
from keepsake.clients.embeddings import Embeddings
from keepsake.clients.model_connection import HttpClients, ModelConnection
from keepsake.clients.speech import CartesiaSpeech, OpenAISpeech, Speech
from keepsake.clients.transcription import (
    CartesiaTranscription,
    OpenAITranscription,
    Transcription,
)
from keepsake.settings import ROLES, ModelSettings

OPENAI_VOICE = "alloy"  # what compatible servers know too; the embedded one has a single voice


@dataclass(frozen=True)
class Models:
    """The clients of the four roles."""

    chat: Chat
    embeddings: Embeddings
    transcription: Transcription
    speech: Speech


@asynccontextmanager
async def open_models(settings: ModelSettings) -> AsyncIterator[Models]:
    """The models that `settings` name, closed at the end of the block.

    Nothing is connected before the first call. Use one for each event loop, and one event loop
    for each run: the limits of a role hold for one `Models`.
    """
    endpoints = {role: settings.endpoint(role) for role in ROLES}
    http = HttpClients(endpoints.values())
    chat, embeddings, transcription, speech = (
        ModelConnection(endpoints[role], http) for role in ROLES
    )
    models = Models(
        chat=_chat(chat),
        embeddings=Embeddings(
            embeddings,
            dimensions=settings.embeds_dimensions,
            ask_dimensions=bool(settings.embeddings_dimensions),
        ),
        transcription=_transcription(transcription, settings),
        speech=_speech(speech, settings),
    )
    try:
        yield models
    finally:
        await models.embeddings.close()
        await http.close()


def _chat(connection: ModelConnection) -> Chat:
    bedrock = connection.endpoint.provider == "bedrock"
    return Chat(connection, BedrockChat(connection) if bedrock else OpenAIChat(connection))


def _transcription(connection: ModelConnection, settings: ModelSettings) -> Transcription:
    if connection.endpoint.provider == "cartesia":
        cartesia = CartesiaTranscription(connection, version=settings.cartesia_version)
        return Transcription(connection, cartesia)
    return Transcription(connection, OpenAITranscription(connection))


def _speech(connection: ModelConnection, settings: ModelSettings) -> Speech:
    voice = settings.speech_voice or OPENAI_VOICE
    if connection.endpoint.provider == "cartesia":
        cartesia = CartesiaSpeech(connection, voice=voice, version=settings.cartesia_version)
        return Speech(connection, cartesia, voice=voice)
    return Speech(connection, OpenAISpeech(connection, voice=voice), voice=voice)
