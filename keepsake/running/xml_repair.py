"""XML as some programs write it, repaired so that a strict parser can read it.

What is repaired is what other programs forgive: an `&` by itself, a prefix that was never declared,
characters that XML does not allow, a wrong name of the encoding. Everything is one pass over the
bytes, whatever they are. Document types and entities are no such thing: the parser refuses them.
"""

import re
from collections import Counter

from keepsake.errors import PermanentError

# `&` that begins none of XML's own five entities, nor a character by its number.
_BARE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_PREFIX = re.compile(rb"</?([A-Za-z_][\w.-]{0,60}):|\s([A-Za-z_][\w.-]{0,60}):[\w.-]+\s*=")
_DECLARED = re.compile(rb"""\sxmlns:([A-Za-z_][\w.-]{0,60})\s*=""")
_ROOT = re.compile(rb"<[A-Za-z_][\w.:-]*")
_ENCODING = re.compile(rb"""(<\?xml[^>]{0,200}?)\sencoding\s*=\s*["']([^"'>]{1,40})["']""")
REFUSED = "the file declares a document type or entities: refused"
_KNOWN = {b"xml", b"xmlns"}  # prefixes that need no declaration


def without_beginning(data: bytes) -> bytes:
    """The bytes from where XML begins: some programs write a mark or blanks before it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, which needs its mark
        return data
    return data.lstrip(b" \t\r\n\xef\xbb\xbf")


def repaired(data: bytes) -> tuple[bytes, Counter[str]]:
    """XML in which a strict parser found a fault, repaired, and what was: kinds and how often.

    UTF-16 is left as it is.

    Raises:
        PermanentError: it declares a document type or entities, which a fault before them may hide.
    """
    kinds: Counter[str] = Counter()
    if b"\0" in data[:4]:
        return data, kinds
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise PermanentError(REFUSED)
    data = _in_utf_8(data, kinds)
    data, kinds["forbidden_character"] = _FORBIDDEN.subn(b"", data)
    data, kinds["bare_ampersand"] = _BARE.subn(b"&amp;", data)
    return _with_prefixes(data, kinds), +kinds


def _in_utf_8(data: bytes, kinds: Counter[str]) -> bytes:
    """The text in UTF-8, and no encoding named. What is in none of the letters it says is `?`."""
    declared = _ENCODING.match(data)
    name = declared.group(2).decode("ascii", "replace").lower() if declared else "utf-8"
    # In UTF-16 this would not be readable: the name is wrong.
    encoding = "utf-8" if name.startswith(("utf-16", "utf16", "ucs-2")) else name
    try:
        text = data.decode(encoding)
        kinds["wrong_encoding"] = int(encoding != name)
    except (UnicodeDecodeError, LookupError):
        text = data.decode("utf-8", "replace")
        kinds["wrong_encoding"] = 1
    return _ENCODING.sub(rb"\1", text.encode(), count=1)


def _with_prefixes(data: bytes, kinds: Counter[str]) -> bytes:
    """Prefixes that are used and not declared, declared at the root."""
    used = {one or other for one, other in _PREFIX.findall(data)}
    missing = sorted(used - set(_DECLARED.findall(data)) - _KNOWN)[:100]
    root = _ROOT.search(data)
    if not missing or root is None:
        return data
    kinds["undeclared_prefix"] = len(missing)
    names = b"".join(b' xmlns:%s="urn:%s"' % (prefix, prefix) for prefix in missing)
    return data[: root.end()] + names + data[root.end() :]
