"""The embeddings model of a process that lives long."""

import pytest

from keepsake.clients import query_embeddings
from keepsake.clients.query_embeddings import open_query_embeddings
from keepsake.errors import EndpointDown, StepError
from keepsake.settings import ModelSettings


async def test_an_endpoint_that_was_down_is_asked_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = ModelSettings.model_validate(
        {"embeddings_base_url": "http://127.0.0.1:9/v1", "embeddings_model": "compass"}
    )
    async with open_query_embeddings(settings) as embeddings:
        client = await embeddings.now()
        for _ in range(6):
            with pytest.raises(StepError):
                await client.embed(["north"])
        down = [bool(client.limiter.down)]
        assert await embeddings.now() is client  # the first time it is asked again at once
        down.append(bool(client.limiter.down))
        client.limiter.down = EndpointDown("away", role="embeddings")
        await embeddings.now()
        down.append(bool(client.limiter.down))
        monkeypatch.setattr(query_embeddings, "PAUSE", 0.0)
        await embeddings.now()
        down.append(bool(client.limiter.down))
    assert down == [True, False, True, False]
