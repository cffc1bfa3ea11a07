"""Which lines there are. A new line is one more entry; nothing else names it."""

from typing import TYPE_CHECKING

from keepsake.bookmarks.module import MODULE as BOOKMARKS
from keepsake.errors import InvalidInput, SettingsError
from keepsake.family.module import MODULE as FAMILY
from keepsake.line_module import LineModule
from keepsake.running.module import MODULE as RUNNING

if TYPE_CHECKING:
    from keepsake.settings import StepSettings

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


def check_scheduled_steps(settings: "StepSettings") -> None:
    """Check that STEPS_ON_SCHEDULE names steps that a line has.

    Raises:
        SettingsError: it names another. Sensors would then ask for what is to be left to them.
    """
    if not settings.scheduled_steps:
        return
    steps = [step for module in LINES for step in module.load_line().steps]
    unknown = sorted(settings.scheduled_steps - {step.name for step in steps})
    renamed = {step.formerly: step.name for step in steps if step.formerly}
    for name in unknown:
        if name in renamed:
            raise SettingsError(f"STEPS_ON_SCHEDULE: {name} is called {renamed[name]} now")
        known = ", ".join(sorted(step.name for step in steps))
        raise SettingsError(f"STEPS_ON_SCHEDULE: there is no step {name} (known: {known})")
