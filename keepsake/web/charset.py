"""The text of a body: the encoding that it is in, whatever is said of it.

Names of encodings are the web's (https://encoding.spec.whatwg.org/), not Python's: `gb2312` there
means GB 18030, `latin1` means Windows-1252, `shift_jis` has the signs of Windows.
"""

import codecs
import re
from collections.abc import Iterator

# No two ways to match the same: pages are made to have such a pattern try them all.
_META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=[\s\"']{0,9}([\w.:-]{1,40})", re.I)
_XML = re.compile(rb"\s{0,99}<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})", re.I)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# What the web reads with a codec other than the one that `webencodings` has for it.
_CODECS = {"gbk": "gb18030", "x-user-defined": "cp1252"}
MOST_BROKEN = (
    1 / 20
)  # of the signs beyond ASCII: so many may be broken in what was declared rightly


def decoded(body: bytes, charset: str) -> str:
    """The text of a body. What is declared is a hint: it is often wrong.

    Text in UTF-8 is hardly ever anything else, whatever is declared; text that is not fails to
    decode as UTF-8 at once.

    Args:
        body: the response.
        charset: what its `Content-Type` header says, or "".
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if not body.isascii() and (text := _strictly(body, "utf-8")) is not None:
        return text
    named = list(dict.fromkeys(_named(body, charset)))
    for name in named:
        if (text := _strictly(body, name)) is not None:
            return text
    for name in named:
        text = body.decode(name, "replace")
        if _broken(text) <= MOST_BROKEN:
            return text
    return _guessed(body)


def _named(body: bytes, charset: str) -> Iterator[str]:
    """The codecs that the header, an XML declaration and a `<meta>` name, as far as they exist."""
    if header := _codec(charset):
        # Nearly all that is called UTF-16 is not: then it has no NUL in every other byte.
        yield from [header] if "utf-16" not in header or b"\0" in body[:1024] else []
    for found in (_XML.match(body[:4096]), _META.search(body[:4096])):
        if found and (name := _codec(found[1].decode())):
            # Who could read this as ASCII reads no UTF-16: the web takes it for UTF-8.
            yield "utf-8" if "utf-16" in name else name


def _codec(label: str) -> str | None:
    import webencodings  # type: ignore[import-untyped]

    found = webencodings.lookup(label) if label else None
    if found is None or found.name == "replacement":
        return None
    return _CODECS.get(found.name, str(found.codec_info.name))


def _strictly(body: bytes, codec: str) -> str | None:
    """The text if all of the body is in this encoding."""
    try:
        return body.decode(codec)
    except (LookupError, ValueError):
        return None


def _broken(text: str) -> float:
    """The share of the signs beyond ASCII that are in no encoding."""
    return text.count("\ufffd") / max(1, len("".join(_NOT_ASCII.findall(text))))


def _guessed(body: bytes) -> str:
    """The text in the encoding it looks most like; UTF-8 with a few broken places stays that."""
    from trafilatura.utils import detect_encoding

    text = body.decode("utf-8", "replace")
    foreign = _NOT_ASCII.findall(text)
    if _broken(text) <= MOST_BROKEN:
        return text
    if len("".join(foreign)) < 1.5 * len(foreign):
        # Single letters between ASCII ones, as in "café": western, where detection often errs.
        return body.decode("cp1252", "replace")
    for encoding in detect_encoding(body[:100_000]):
        # By Python's names here: GB 2312 does not take every pair of bytes for a sign, and says so.
        latin = _codec(encoding) == "cp1252"
        if (guess := _strictly(body, "cp1252" if latin else encoding)) is not None:
            return guess
    return body.decode("cp1252", "replace")
