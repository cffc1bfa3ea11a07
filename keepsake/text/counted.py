"""Counts as people say them."""


def counted(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 record`, `2,000 records`; `nouns` where the plural is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"
