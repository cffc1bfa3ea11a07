"""The sports by one name each, whatever a file calls them."""

# Strava once wrote its own number for a run into GPX files.
WORDS = (
    ("running", ("run", "jog")),
    ("walking", ("walk",)),
    ("hiking", ("hik",)),
    ("cycling", ("cycl", "bik", "ride")),
)
NUMBERS = {"9": "running", "1": "cycling", "4": "hiking", "10": "walking"}


def sport_name(said: str) -> str | None:
    """`Trail Run`, `street_running` and `9` are `running`; None when nothing is said."""
    word = said.strip().lower()
    if word in ("", "generic", "other", "none"):
        return None
    if word.isdigit():
        return NUMBERS.get(word)
    for name, parts in WORDS:
        if any(part in word for part in parts):
            return name
    return "".join(c for c in word if c.isalnum() or c in " _-")[:40] or None
