"""What a narrator says around a story, in the languages in which we can say it right.

A language that is missing here is introduced in no other: its episodes have no spoken introduction
and no closing. To add one, add a row to `INTRODUCTIONS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre "
    "noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro "
    "novembro dezembro",
}


@dataclass(frozen=True)
class Introduction:
    """The phrases of a language, with `{title}`, `{member}`, `{family}`, `{day}`, `{question}`.

    `day` says a date within `opening`, with the preposition it takes there. `chapters` are the
    titles of the two chapters.
    """

    opening: str
    question: str
    closing: str
    day: Callable[[date], str]
    chapters: tuple[str, str]


def _month(language: str, day: date) -> str:
    return _MONTHS[language].split()[day.month - 1]


def _english(day: date) -> str:
    return f"on {_month('en', day)} {day.day}, {day.year}"


def _german(day: date) -> str:
    return f"am {day.day}. {_month('de', day)} {day.year}"


def _spanish(day: date) -> str:
    return f"el {day.day} de {_month('es', day)} de {day.year}"


def _french(day: date) -> str:
    return f"le {'1er' if day.day == 1 else day.day} {_month('fr', day)} {day.year}"


def _italian(day: date) -> str:
    article = "l'" if day.day in (8, 11) else "il "
    return f"{article}{'1º' if day.day == 1 else day.day} {_month('it', day)} {day.year}"


def _dutch(day: date) -> str:
    return f"op {day.day} {_month('nl', day)} {day.year}"


def _portuguese(day: date) -> str:
    return f"em {'1º' if day.day == 1 else day.day} de {_month('pt', day)} de {day.year}"


INTRODUCTIONS = {
    "en": Introduction(
        "{title}. A story told by {member}, {day}.",
        "The question was: {question}",
        "That was {title}, told by {member}. Kept by {family}.",
        _english,
        ("Introduction", "Closing"),
    ),
    "de": Introduction(
        "{title}. Eine Geschichte, erzählt von {member} {day}.",
        "Die Frage war: {question}",
        "Das war: {title}, erzählt von {member}. Aufbewahrt von {family}.",
        _german,
        ("Einleitung", "Schluss"),
    ),
    "es": Introduction(
        "{title}. Una historia contada por {member}, {day}.",
        "La pregunta era: {question}",
        "Esto fue: {title}, contado por {member}. Guardado por {family}.",
        _spanish,
        ("Introducción", "Cierre"),
    ),
    "fr": Introduction(
        "{title}. Une histoire racontée par {member}, {day}.",
        "La question était : {question}",
        "C'était : {title}, raconté par {member}. Gardé par {family}.",
        _french,
        ("Introduction", "Fin"),
    ),
    "it": Introduction(
        "{title}. Una storia raccontata da {member}, {day}.",
        "La domanda era: {question}",
        "Era: {title}, raccontato da {member}. Custodito da {family}.",
        _italian,
        ("Introduzione", "Chiusura"),
    ),
    "nl": Introduction(
        "{title}. Een verhaal, verteld door {member}, {day}.",
        "De vraag was: {question}",
        "Dat was: {title}, verteld door {member}. Bewaard door {family}.",
        _dutch,
        ("Inleiding", "Slot"),
    ),
    "pt": Introduction(
        "{title}. Uma história contada por {member}, {day}.",
        "A pergunta era: {question}",
        "Foi: {title}, contado por {member}. Guardado por {family}.",
        _portuguese,
        ("Introdução", "Encerramento"),
    ),
}
