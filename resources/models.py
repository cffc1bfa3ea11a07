"""The four model roles as a Dagster resource."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import dagster as dg

from keepsake.settings import ModelSettings

if TYPE_CHECKING:
    from keepsake.clients.models import Models


class ModelsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which models are in force. Their addresses and keys come with the settings.

    The names are part of each result's input fingerprint: naming another model makes what the old
    one made stale.
    """

    settings: dg.ResourceDependency[ModelSettings]
    chat: str
    embeddings: str
    transcription: str
    speech: str

    @classmethod
    def of(cls, settings: ModelSettings) -> Self:
        """The models that the settings name."""
        return cls(
            settings=settings,
            chat=settings.endpoint("chat").model,
            embeddings=f"{settings.endpoint('embeddings').model}/{settings.embeds_dimensions}",
            transcription=settings.endpoint("transcription").model,
            speech=f"{settings.endpoint('speech').model}/{settings.speech_voice or 'default'}",
        )

    def names(self) -> dict[str, str]:
        """Model name by role."""
        return {
            "chat": self.chat,
            "embeddings": self.embeddings,
            "transcription": self.transcription,
            "speech": self.speech,
        }

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Models"]:
        """Clients for the four roles, for one event loop."""
        from keepsake.clients.models import open_models

        async with open_models(self.settings) as models:
            yield models
