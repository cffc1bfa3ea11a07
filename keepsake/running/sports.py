"""The sports by one name each, whatever a file or a listing calls them.

Files name them in English. Strava's exports name them in the language of the account: here stand
the words of English, German, French, Spanish, Italian, Portuguese, Dutch and Japanese.
"""

import unicodedata

# Parts of words, in lower case and without accents. The first line that has one decides: what
# glides comes first, since Skilanglauf, esquí de fondo and patinaje are no runs, and a ride before
# a run, since vélo de course is one.
WORDS = (
    (None, ("ski", "esqui", "langlauf", "schlittschuh", "eislauf", "skat", "patin", "schaats",
            "snow", "schnee", "neige", "nieve", "neve", "sneeuw", "スキー", "スノー", "スケート")),
    ("swimming", ("swim", "schwimm", "natation", "natacion", "natacao", "nuoto", "zwem", "スイム",
                  "水泳")),
    ("cycling", ("cycl", "bik", "ride", "radfahr", "fahrrad", "rennrad", "mountainbike", "gravel",
                 "velo", "vtt", "cicl", "bici", "pedala", "fiets", "wielren", "ライド",
                 "サイクリング", "自転車")),
    ("hiking", ("hik", "wander", "randonnee", "senderismo", "excursion", "escursion", "trilha",
                "caminhada na natureza", "ハイキング", "ハイク")),
    ("walking", ("walk", "spazier", "gehen", "marche", "camina", "andar", "cammin", "caminhada",
                 "wandel", "ウォーク", "ウォーキング", "散歩")),
    ("running", ("run", "jog", "treadmill", "lauf", "course a pied", "carrera", "correr", "corsa",
                 "corrida", "hardlo", "loopband", "trail", "ランニング", "トレイルラン")),
)  # fmt: skip
# Whole words. Strava once wrote its own number for a run into GPX files.
EXACT = {"9": "running", "1": "cycling", "4": "hiking", "10": "walking", "ラン": "running"}


def sport_name(said: str) -> str | None:
    """`Trail Run`, `street_running`, `Lauf` and `9` are `running`; None when nothing is said.

    A sport that is none of `WORDS` keeps the word that was said.
    """
    word = said.strip().lower()
    if word in ("", "generic", "other", "none"):
        return None
    if word in EXACT or word.isdigit():
        return EXACT.get(word)
    plain = _without_accents(word)
    for name, parts in WORDS:
        if any(part in plain for part in parts):
            if name is None:
                break
            return name
    return "".join(c for c in word if c.isalnum() or c in " _-")[:40] or None


def _without_accents(word: str) -> str:
    """`vélo` as `velo`; marks that Japanese letters are made with stay."""
    marks = (c for c in unicodedata.normalize("NFD", word) if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", "".join(marks))
