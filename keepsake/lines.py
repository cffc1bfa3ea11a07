"""Which lines there are. A new line is one more entry; nothing else names it."""

from keepsake.bookmarks.module import MODULE as BOOKMARKS
from keepsake.family.module import MODULE as FAMILY
from keepsake.line_module import LineModule
from keepsake.running.module import MODULE as RUNNING

LINES: tuple[LineModule, ...] = (FAMILY, BOOKMARKS, RUNNING)


def module_of(line: str) -> LineModule:
    """The module of the line of that name.

    Raises:
        KeyError: no module has it.
    """
    return {module.name: module for module in LINES}[line]
