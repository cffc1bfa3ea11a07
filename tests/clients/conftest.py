"""Models opened on doubles."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest

from keepsake.clients.models import Models, open_models
from keepsake.settings import ROLES, Settings
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import Double, serving


class Opens(Protocol):
    """`async with models_on(double, ...) as models:`; settings by their names."""

    def __call__(self, double: Double, **settings: Any) -> AbstractAsyncContextManager[Models]: ...


@asynccontextmanager
async def _models_on(double: Double, **settings: Any) -> AsyncIterator[Models]:
    with serving(double) as address:
        values: dict[str, Any] = {"embeddings_dimensions": 4, "speech_voice": "v1"}
        for role in ROLES:
            values[f"{role}_base_url"] = f"{address}/v1" if isinstance(double, OpenAI) else address
            values[f"{role}_model"] = "some-model"
            values[f"{role}_api_key"] = "k-test"
        # Validated, not constructed: then the environment has no say.
        async with open_models(Settings.model_validate(values | settings)) as models:
            yield models


@pytest.fixture
def models_on() -> Opens:
    """Opens models whose four roles are all served by one double."""
    return _models_on
