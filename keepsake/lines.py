"""Which lines there are. A new line is one more entry; nothing else names it."""

from keepsake.bookmarks.module import MODULE as BOOKMARKS
from keepsake.errors import InvalidInput
from keepsake.family.module import MODULE as FAMILY
from keepsake.line_module import LineModule
from keepsake.running.module import MODULE as RUNNING

LINES: tuple[LineModule, ...] = (FAMILY, BOOKMARKS, RUNNING)


def module_of(line: str) -> LineModule:
    """The module of the line of that name.

    Raises:
        InvalidInput: it is not registered.
    """
    for module in LINES:
        if module.name == line:
            return module
    raise InvalidInput(f"the line {line} is not registered in keepsake/lines.py")
