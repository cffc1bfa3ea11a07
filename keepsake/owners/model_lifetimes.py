"""When providers switch models off: a dated table, with where and when each date was read.

A model that the table does not have has no known end. One of the same name elsewhere, such as
`whisper-1` on a server of one's own, is another model.
"""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from keepsake.settings import ROLES, ModelSettings
from keepsake.settings.endpoint import Endpoint, Provider, is_openai

TABLE = Path(__file__).with_name("model_lifetimes.csv")


def ends_of_models(settings: ModelSettings) -> dict[str, datetime]:
    """The models that the settings name and whose end is known: when that day begins (UTC)."""
    ends = _table()
    endpoints = [settings.endpoint(role) for role in ROLES]
    return {
        each.model: ends[key]
        for each in endpoints
        if not each.embedded and (key := (_provider(each), each.model)) in ends
    }


def _provider(endpoint: Endpoint) -> Provider | None:
    """Whose model it is; None: of a server that only speaks OpenAI's protocol."""
    if endpoint.provider == "openai" and not is_openai(endpoint.base_url):
        return None
    return endpoint.provider


def _table() -> Mapping[tuple[str | None, str], datetime]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {
            (row["provider"], row["model"]): datetime.fromisoformat(row["ends_on"]).replace(
                tzinfo=UTC
            )
            for row in csv.DictReader(file)
        }
