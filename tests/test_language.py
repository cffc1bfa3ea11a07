"""The language of a text is told or left open, never guessed."""

import pytest

from keepsake.text.language import language_name, language_of


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "Er kam um acht Uhr nach Hause."),
        ("de", "Oma hat jeden Samstag Brot gebacken."),
        ("es", "Nunca te acuestes enojado."),
        ("fr", "Ma grand-mère faisait du pain tous les samedis."),
        ("it", "Mia nonna faceva il pane ogni sabato."),
        ("pt", "A gente não tinha muito, mas era feliz."),
        ("nl", "Er was eens een man die nooit iets zei."),
        ("pl", "Babcia piekła chleb w każdą sobotę."),
        ("ar", "كانت جدتي تخبز كل جمعة. هل تذكرون؟ نعم."),
        ("he", "סבתא אפתה לחם כל יום שישי."),
        ("ja", "祖母は毎週土曜日にパンを焼いた。"),
        ("en", "She was kind to me and to every dog."),
    ],
)
def test_a_sentence_is_enough(code: str, text: str) -> None:
    assert language_of(text) == code


@pytest.mark.parametrize(
    "text", ["hi", "No.", "", "1968", "🙂", "Pan y amor.", "Rosa, Krakow, pierogi"]
)
def test_what_is_not_clear_is_left_open(text: str) -> None:
    assert language_of(text) is None


def test_a_language_has_a_name() -> None:
    assert (language_name("de"), language_name("tlh")) == ("German", "tlh")
