"""Sentences that do not count as what a person said.

Rules find two kinds: an order to a model that is hidden in a text, and a sentence that the
next one takes back. They stay in transcript and story, which are the person's own words; no title,
summary, quote or advice is made of them. The rules know English, German, Spanish and French, and
look for fixed phrases: what is said in other words, or further on, is not found.
"""

import re

from keepsake.text.spans import sentences

_ORDER = re.compile(
    r"(?:^|[^\w\s]\s*|\b(?:and|please|now|then|und|bitte|y|et) )"
    r"(?:ignor\w*|disregard|forget|override|vergiss|missachte\w*|olvida\w*|oublie\w*)\b"
    r"[^.!?]{0,40}\b(?:instructions?|prompts?|(?:the|of) above|previous (?:text|rules|messages?)|"
    r"system messages?|anweisung\w*|instrucci\w+|consignes?)\b"
    r"|^\W*you are now an?\b|\b(?:system prompt|as an ai\b|language model\b)"
    r"|\b(?:answer|respond|reply|antworte\w*|responde|réponds) (?:only )?(?:with|mit|con|avec) the "
    r"(?:title|summary|advice|words?)\b",
    re.IGNORECASE,
)
_TAKES_BACK = re.compile(
    r"(?:(?:oh|ach|ah|well|sorry|wait|no|nein|non)[,.!]? )*"
    r"(?:no,? (?:that(?:'s| is| was) (?:wrong|not (?:right|true|so|it))|wait\b)"
    r"|that(?:'s| is| was) (?:wrong|not (?:right|true))\b"
    r"|(?:scratch|strike) that\b|i take (?:that|it) back\b|i made that up\b|i mis-?spoke\b"
    r"|(?:i am|i'm) (?:just |only )?(?:kidding|joking)\b|just kidding\b"
    r"|(?:nein,? )?das (?:stimmt nicht|war falsch|ist falsch)\b|(?:nein,? )?falsch\b"
    r"|ich nehme das zurück\b|no,? (?:eso )?no es (?:verdad|cierto)\b|me equivoco\b|miento\b"
    r"|non,? c'est faux\b|je me trompe\b)",
    re.IGNORECASE,
)


def gives_an_order(sentence: str) -> bool:
    """Whether a sentence instructs a model, as in `Ignore all previous instructions`."""
    return bool(_ORDER.search(sentence))


def takes_back(sentence: str) -> bool:
    """Whether a sentence takes back the one before it, as in `No, that is wrong`."""
    return bool(_TAKES_BACK.match(sentence.replace("’", "'")))


def trusted(text: str) -> str:
    """A text without orders to a model, what was taken back, and the sentence that does so."""
    spans = sentences(text)
    said = [text[span.start : span.end] for span in spans]
    dropped = {at for at, sentence in enumerate(said) if gives_an_order(sentence)}
    back = {at for at, sentence in enumerate(said) if at and takes_back(sentence)}
    dropped |= back | {at - 1 for at in back}
    if not dropped:
        return text
    kept, start = "", 0
    for at, span in enumerate(spans):
        if at in dropped:
            kept += text[start : span.start]
            start = span.end
            while text[start : start + 1] == " ":
                start += 1
    return (kept + text[start:]).strip()
