"""Measured amounts as people read them: `2.4 s`, `1 h 20 min`, `38 GB`, `$1.23`, `97.4 %`."""


def span(seconds: float) -> str:
    """How long something took or waits: `40 ms`, `2.4 s`, `3 min`, `1 h 20 min`, `2 d 4 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _two(hours, "h", minutes, "min")
    days, hours = divmod(round(seconds / 3600), 24)
    return _two(days, "d", hours, "h")


def many(number: int) -> str:
    """A large number where its first digits matter: `98,200`, `3.2 million`."""
    if number < 999_950:
        return f"{number:,}"
    return f"{_short(number / 1e6)} million"


def rate(per_time: float) -> str:
    """So many in a time: `0.02`, `2.1`, `14`, `1,203`."""
    return f"{per_time:,.0f}" if per_time >= 9.995 else f"{round(per_time, 2):g}"


def size(amount: float) -> str:
    """Bytes, in steps of a thousand: `512 bytes`, `1.4 MB`, `38 GB`."""
    if amount < 1000:
        return f"{amount:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{_short(amount)} {unit}"
    return f"{_short(amount / 1000)} TB"


def dollars(amount: float) -> str:
    """Money: `$1,234.50`; what is less than a cent keeps two digits that say something."""
    if 0 < amount < 0.01:
        return f"${amount:.2g}" if amount >= 0.0001 else "less than $0.0001"
    return f"${amount:,.2f}"


def percent(of_hundred: float) -> str:
    """A part of 100: `97.4 %`. Only all is `100 %`, and only nothing `0 %`."""
    if 0 < of_hundred < 100:
        of_hundred = min(max(of_hundred, 0.1), 99.9)
    return f"{round(of_hundred, 1):g} %"


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def _short(amount: float) -> str:
    return f"{amount:.1f}" if amount < 9.95 else f"{amount:,.0f}"
