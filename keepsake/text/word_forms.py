"""Whether the words of one text are forms of words of another, in any language, by their letters.

For holding what a model wrote against what was said: it finds words that come from nowhere, not
every falsehood.
"""

from keepsake.text.spans import word_keys

# Words of English that say nothing of what a sentence is about.
_COMMON = frozenset(
    ["about", "after", "also", "always", "because", "been", "before", "being", "could", "does",
     "down", "each", "every", "everything", "from", "have", "into", "just", "less", "like", "made",
     "make", "many", "more", "most", "much", "must", "need", "never", "only", "other", "over",
     "people", "same", "should", "some", "something", "than", "that", "their", "them", "then",
     "there", "these", "they", "thing", "things", "this", "those", "time", "very", "want", "well",
     "were", "what", "when", "where", "which", "while", "will", "with", "without", "would", "your"]
)  # fmt: skip
_LATIN_ENDS = "\u0250"  # the first letter behind Latin with its accents


def akin(word: str, other: str) -> bool:
    """Whether two words, as keys, may be forms of one.

    In Latin script they begin with the same four letters, or one holds the other. In others, which
    put articles and prepositions in front, they share three letters in a row. Shorter words must be
    equal.
    """
    if word.isalpha() and max(word) < _LATIN_ENDS:
        if min(len(word), len(other)) < 4:
            return word == other
        return word[:4] == other[:4] or word in other or other in word
    if min(len(word), len(other)) < 3:
        return word == other
    return any(word[at : at + 3] in other for at in range(len(word) - 2))


def unsupported(text: str, source: str, *, least: int = 4) -> list[str]:
    """Words of `least` letters or more, and numbers, that are akin to none of `source`."""
    known = set(word_keys(source))
    long = [key for key in known if len(key) > 2]
    return [
        key
        for key in word_keys(text)
        if key not in known
        and (len(key) >= least or key.isdigit())
        and (key.isdigit() or not any(akin(key, other) for other in long))
    ]


def shares_a_word(text: str, source: str) -> bool:
    """Whether a word of `text`, common English ones aside, is akin to a word of `source`."""
    known = [key for key in word_keys(source) if key not in _COMMON]
    telling = [key for key in word_keys(text) if key not in _COMMON]
    return any(
        akin(key, other)
        for key in telling
        if len(key) > 3 or not key.isascii()
        for other in known
        if len(other) > 3 or not other.isascii()
    )
