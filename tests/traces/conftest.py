"""A receiver of spans, the toy line's world, and models."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from keepsake.traces import otlp
from keepsake.traces.spans import Receiver
from tests.clients.conftest import models_on as models_on
from tests.doubles.otlp import SpanReceiver
from tests.doubles.server import serving
from tests.engine.conftest import world as world


@dataclass(frozen=True)
class At:
    """A receiver and its address."""

    double: SpanReceiver
    url: str

    @property
    def receiver(self) -> Receiver:
        """The same as settings name it."""
        return Receiver(f"{self.url}/v1/traces")


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """Let a machine that is busy with other tests send what it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp, "FLUSH_SECONDS", 60)
        yield


@pytest.fixture
def at() -> Iterator[At]:
    """A receiver of spans over loopback."""
    double = SpanReceiver()
    with serving(double) as url:
        yield At(double, url)
