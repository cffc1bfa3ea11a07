"""Stories in other languages, written, through every step of the line with the embedded models."""

import asyncio
from dataclasses import dataclass

import pytest

from keepsake.family.response import DEFAULT_VALUES
from keepsake.text.spans import text_key
from keepsake.text.word_forms import unsupported
from tests.conftest import new_database

from .house import STEPS, House, open_house

STORIES = {
    "de": "Um sechs Uhr früh ging er aus dem Haus, und ich hörte nur seine Schritte. Mein Vater "
    "war Bäcker in Lübeck, und im Winter 1958 nahm er mich zum ersten Mal mit. Er sagte "
    "kein Wort, aber er gab mir das erste Brot aus dem Ofen. Es war so heiß, dass ich es "
    "um die halbe Stadt trug, bevor ich hineinbiss. So gut hat mir nie wieder etwas "
    "geschmeckt.",
    "es": "Mi abuela Carmen hacía pan cada sábado en un horno de barro. Los niños esperábamos "
    "detrás de la puerta, porque el olor llegaba hasta la plaza. En 1961 no había harina "
    "en el pueblo, y ella molió castañas. ¡Qué pan tan dulce! Nunca he vuelto a comer "
    "nada parecido, y todavía guardo su cuchara de madera.",
    "ar": "كانت جدتي تخبز الخبز كل يوم جمعة في فرن من طين. كنا ننتظر خلف الباب لأن الرائحة تملأ "
    "الشارع كله. في شتاء عام 1967 لم يكن عندنا طحين، فذهبت إلى جارتها وعادت بكيس صغير. "
    "قالت لنا إن الجار أقرب من الأخ البعيد! ما زلت أحتفظ بملعقتها الخشبية حتى اليوم.",
}


@dataclass(frozen=True)
class Told:
    """A house after a run of all steps, and the record of the story in each language."""

    house: House
    records: dict[str, int]


@pytest.fixture(scope="module")
def told(postgres_url: str, models_url: str, tmp_path_factory: pytest.TempPathFactory) -> Told:
    url = new_database(postgres_url, "languages")

    async def tell(house: House) -> Told:
        records = {code: await house.add(text=text) for code, text in STORIES.items()}
        await house.run()
        return Told(house, records)

    with open_house(url, tmp_path_factory.mktemp("languages") / "home", models_url) as house:
        return asyncio.run(tell(house))


each = pytest.mark.parametrize("code", STORIES)


@each
def test_every_step_has_succeeded(told: Told, code: str) -> None:
    ledger = told.house.ledger(told.records[code])
    assert {step: ledger[step]["status"] for step in STEPS} == dict.fromkeys(STEPS, "succeeded")


@each
def test_the_language_is_that_of_the_text_and_not_the_familys(told: Told, code: str) -> None:
    assert told.house.family.language == "en"
    [transcript] = told.house.of("transcripts", told.records[code])
    assert (transcript["language"], transcript["text"]) == (code, STORIES[code])


@each
def test_the_story_has_every_word(told: Told, code: str) -> None:
    [story] = told.house.of("stories", told.records[code])
    assert text_key(story["text"]) == text_key(STORIES[code])


@each
def test_title_and_summary_hold_nothing_that_was_not_said(told: Told, code: str) -> None:
    [story] = told.house.of("stories", told.records[code])
    assert not unsupported(story["title"].rstrip("…"), f"{STORIES[code]} Rose The Marlows")
    assert story["summary"] in STORIES[code]


@each
def test_quotes_are_word_for_word(told: Told, code: str) -> None:
    quotes = told.house.of("quotes", told.records[code])
    assert quotes
    assert all(quote["text"] in STORIES[code] for quote in quotes)


@each
def test_tags_are_of_the_vocabulary(told: Told, code: str) -> None:
    tags = told.house.of("tags", told.records[code])
    assert tags
    assert {tag["value"] for tag in tags} <= set(DEFAULT_VALUES)


@each
def test_passages_hold_the_text_and_have_vectors(told: Told, code: str) -> None:
    passages = told.house.rows(
        "SELECT text, l2_norm(embedding) AS length FROM passages WHERE record_id = %s",
        told.records[code],
    )
    assert [passage["text"] for passage in passages] == [STORIES[code]]
    assert passages[0]["length"] > 0


@pytest.mark.parametrize(("code", "name"), [("de", "German"), ("es", "Spanish"), ("ar", "Arabic")])
def test_no_advice_is_made_up_and_nothing_is_read_out_in_a_wrong_voice(
    told: Told, code: str, name: str
) -> None:
    ledger = told.house.ledger(told.records[code])
    assert ledger["wisdom"]["nothing_reason"] == (
        f"no sentence gives advice, as far as can be told in {name}"
    )
    assert ledger["podcasts"]["nothing_reason"] == (
        f"the story is written in {name}, and the embedded voice speaks English only: "
        "set SPEECH_BASE_URL and SPEECH_MODEL to one that speaks it"
    )
    assert told.house.of("podcasts", told.records[code]) == []


async def test_an_english_family_that_tells_in_german_keeps_its_words(house: House) -> None:
    text = "Er ging um die Ecke, und er kam um acht Uhr, um uns zu sehen. So so, sagte er."
    record_id = await house.add(text=text)
    await house.run("transcripts", "stories")
    assert house.of("stories", record_id)[0]["text"] == text
