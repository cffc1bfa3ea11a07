"""Which sentences advise, by their form: for a model that is too weak to decide.

English only. A sentence advises if it says what a listener should do (`Open the door first`, `If
you are angry, count to ten`), or what one should or cannot do (`You cannot hurry it`). It is a
test of form, made to find little that is no advice; advice in another form (a proverb, a lesson)
is missed.
"""

import re

_VERBS = (
    "accept|admit|answer|ask|avoid|be|begin|believe|bring|build|buy|call|carry|check|choose|"
    "clean|come|cook|count|do (?:it|one|the|what|your)|dance|dare|eat|enjoy|finish|fix|follow|"
    "forgive|get|give|go|help|hold|hug|invite|keep|kiss|knead|know|laugh|learn|leave|lend|let|"
    "listen|live|look|love|make|marry|measure|mend|move|open|pay|plant|play|post|practi[cs]e|"
    "pray|put|read|remember|rest|save|say|send|share|show|sing|sit|sleep|smile|speak|spend|"
    "stand|start|stay|stop|take|talk|teach|tell|thank|think|travel|treat|trust|try|turn|use|"
    "visit|wait|walk|wash|watch|water|wear|work|write"
)
_NEGATED = rf"(?:(?:do not|don't) (?:ever )?\w+|(?:never|always) (?:ever )?(?:{_VERBS}|borrow)\b)"
_TELLS = rf"(?:{_NEGATED}|(?:{_VERBS})\b(?! (?:was|were|is|had|of)\b))"
_START = r"^[\"“'‘]?(?:(?:so|and|but|then|please|just|first|instead)[, ]+)*"
_TO_YOU = r"(?:if|when|whenever|before|once|until)\b[^,]*\byou(?:r|'re)?\b[^,]*, (?:then )?"
_IF_EVER = r"if (?:something|anything|someone|somebody|anyone) [^,]*, (?:then )?"
_SAYING = r"\b(?:say|says|said)[,:] [\"“'‘]?"
_ADVISES = re.compile(
    # an imperative, at the beginning or after a clause or a speaker that leads to it
    rf"{_START}(?:{_TO_YOU}|{_IF_EVER})?{_TELLS}"
    rf"|{_SAYING}(?:{_NEGATED}|(?:{_TO_YOU}|{_IF_EVER}){_TELLS})"
    # what one should do, must not do, or cannot
    r"|\byou (?:always |never )?(?:should|must|ought to|have to|cannot|can't|can not)\b"
    r"|\b(?:one|we|everyone|everybody|nobody|no one|people|a person|whoever [^,]+)"
    r" (?:should|must|ought to)\b"
    r"|\b(?:it is|it's) (?:never too late|always better|better) to\b",
    re.IGNORECASE,
)
# A question, about the past, an idiom, or meant otherwise than it is said.
_NOT_ADVICE = re.compile(
    r"\?[\"”'’]?$|^[\"“'‘]?(?:oh|yeah|yes|sure|right|great|look|come|let me|let us|let's|mind you"
    r"|never mind|believe me|let there|wait until you|thank (?:you|god|heavens?)|say what"
    r"|try as|keep in mind)\b"
    r"|\byou (?:must|should) (?:be|have|hear|know|see)\b"
    r"|\byou can(?:no|')t (?:imagine|believe|tell)\b"
    r"|\bfor example\b|\band (?:he|she|they) (?:could|would)\b"
    r"|(?<!\byou )\b(?:was|were|had|began|ended|came|went|did not|didn't|could not|couldn't)\b",
    re.IGNORECASE,
)


def advises(sentence: str) -> bool:
    """Whether a sentence says what a listener should do, as English does."""
    plain = sentence.replace("’", "'")
    return bool(_ADVISES.search(plain)) and not _NOT_ADVICE.search(plain)
