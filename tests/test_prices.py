"""Prices: dated, by the size of a call, yours before the published ones; unknown is not nought."""

import csv
import logging
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from keepsake.errors import SettingsError
from keepsake.owners.prices import TABLE, billing, load_prices
from keepsake.owners.usage import Amounts, metered, record
from keepsake.settings import LOCAL_MODELS, load_settings

HEADER = "model,starts_on,up_to_tokens,input_usd,output_usd,minute_usd,characters_usd,source\n"
TODAY = date(2026, 11, 22)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A table of one's own, without rows."""
    path = tmp_path / "prices.csv"
    path.write_text(HEADER)
    return path


def add(table: Path, *rows: str) -> str:
    """The file's name, after these rows were added to it."""
    with table.open("a") as file:
        file.writelines(f"{row}\n" for row in rows)
    return str(table)


@pytest.mark.parametrize(
    ("model", "amounts", "usd"),
    [
        ("gpt-4o-mini", Amounts(tokens_in=1_000_000, tokens_out=500_000), "0.45"),
        ("gpt-4o-mini-2024-07-18", Amounts(tokens_in=2_000_000), "0.30"),
        ("whisper-1", Amounts(audio_seconds=90.0), "0.009"),
        ("tts-1", Amounts(characters=2_000), "0.03"),
        ("text-embedding-3-small", Amounts(tokens_in=50_000), "0.001"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", Amounts(tokens_in=10**6), "1"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", Amounts(tokens_in=10**6), "1"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Amounts(tokens_in=10**6), "1.1"),
    ],
)
def test_a_call_costs_what_its_provider_asks(model: str, amounts: Amounts, usd: str) -> None:
    assert load_prices().cost(model, amounts, TODAY) == Decimal(usd)


@pytest.mark.parametrize(("tokens_in", "usd"), [(100_000, "0.0105"), (100_001, "0.0525005")])
def test_a_large_call_has_the_price_of_large_calls(tokens_in: int, usd: str) -> None:
    amounts = Amounts(tokens_in=tokens_in, tokens_out=1_000)
    assert load_prices().cost("claude-haiku-5-5", amounts, TODAY) == Decimal(usd)


@pytest.mark.parametrize(
    ("day", "usd"), [("2026-06-30", None), ("2026-07-01", "4"), ("2026-10-15", "3")]
)
def test_a_price_holds_from_its_first_day_until_the_next(
    own: Path, day: str, usd: str | None
) -> None:
    prices = load_prices(add(own, "big,2026-07-01,,4,,,,", "big,2026-10-15,,3,,,,"))
    cost = prices.cost("big", Amounts(tokens_in=1_000_000), date.fromisoformat(day))
    assert cost == (None if usd is None else Decimal(usd))


def test_a_model_in_ones_own_table_has_that_price_alone(own: Path) -> None:
    prices = load_prices(add(own, "gpt-6-luna,,,7,7,,,by contract"))
    for tokens in (1_000, 1_000_000):  # not the published price of large calls either
        cost = prices.cost("gpt-6-luna", Amounts(tokens_in=tokens), TODAY)
        assert cost == 7 * Decimal(tokens) / 1_000_000
    assert prices.cost("whisper-1", Amounts(audio_seconds=60), TODAY) == Decimal("0.006")


def test_what_has_no_price_costs_nobody_knows_what_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    prices = load_prices()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert prices.cost("home-made", Amounts(tokens_in=1)) is None
        assert prices.cost("whisper-1", Amounts(tokens_in=1)) is None  # it is paid by the minute
    assert [message.split()[1] for message in caplog.messages] == ["home-made", "whisper-1"]
    assert all("PRICES_FILE" in message for message in caplog.messages)


def test_a_call_of_which_nobody_said_how_much_it_used_has_an_unknown_price() -> None:
    prices = load_prices()
    assert prices.cost("gpt-6-luna", Amounts(calls=1), TODAY) is None
    assert prices.cost("whisper-tiny.en", Amounts(calls=1), TODAY) == 0


def test_a_row_without_a_price_does_not_make_a_model_free(own: Path) -> None:
    prices = load_prices(add(own, "big,,,,,,,", "mine,,,0,0,,,"))
    assert (prices.free("big"), prices.free("mine")) == (False, True)


def test_the_embedded_models_cost_nothing() -> None:
    prices = load_prices()
    assert all(prices.free(model) for model in LOCAL_MODELS.values())
    assert billing(load_settings()).paid_roles == frozenset()


def test_a_model_that_costs_or_is_not_known_is_paid(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"CHAT": "mine", "EMBEDDINGS": "text-embedding-3-small", "TRANSCRIPTION": "home-made"}
    for role, model in models.items():
        monkeypatch.setenv(f"{role}_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv(f"{role}_MODEL", model)
    monkeypatch.setenv("PRICES_FILE", add(own, "mine,,,0,0,,,our own machine"))
    assert billing(load_settings()).paid_roles == {"embeddings", "transcription"}


def test_each_call_has_the_price_of_its_own_size() -> None:
    """Two small calls are not a large one."""
    with metered(load_prices().cost) as used:
        record("claude-haiku-5-5", tokens_in=80_000)
        record("claude-haiku-5-5", tokens_in=80_000)
    assert used.cost == Decimal("0.016")
    assert used.by_model["claude-haiku-5-5"].calls == 2


@pytest.mark.parametrize(
    "row",
    ["big,tomorrow,,1,,,,", "big,,many,1,,,,", "big,,,cheap,,,,", "big,,,-1,,,,", ",,,1,,,,"],
)
def test_a_row_that_is_none_is_named_by_its_line(own: Path, row: str) -> None:
    name = add(own, "small,,,1,,,,", row)
    with pytest.raises(SettingsError, match=r"PRICES_FILE: line 3 of prices\.csv"):
        load_prices(name)


@pytest.mark.parametrize("text", ["name,price\nbig,1\n", f"{HEADER}{'x' * 5_000_000},,,1,,,,\n"])
def test_what_is_no_table_of_prices_is_refused(own: Path, text: str) -> None:
    own.write_text(text)
    with pytest.raises(SettingsError, match=r"keepsake/owners/prices\.csv shows the format"):
        load_prices(str(own))


def test_a_table_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PRICES_FILE: .*missing\.csv cannot be read"):
        load_prices(str(tmp_path / "missing.csv"))


def test_every_published_price_says_where_it_is_from() -> None:
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["source"] for row in rows)
    keys = [(row["model"], row["starts_on"], row["up_to_tokens"]) for row in rows]
    assert len(set(keys)) == len(keys)
