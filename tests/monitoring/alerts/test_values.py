"""Values of rules as people type them."""

import pytest

from keepsake.errors import InvalidInput
from keepsake.monitoring.alerts.rules import Unit
from keepsake.monitoring.alerts.values import read_value, type_value


@pytest.mark.parametrize(
    ("typed", "unit", "value"),
    [
        ("10 %", "ratio", 0.1),
        ("99.9%", "ratio", 0.999),
        ("0.1", "ratio", 0.1),
        ("1h30m", "seconds", 5400),
        (" 36H ", "seconds", 129_600),
        ("90", "seconds", 90),
        ("5 GB", "bytes", 5e9),
        ("1.5gb", "bytes", 1.5e9),
        ("14", "days", 14),
        ("-1", "number", -1),
    ],
)
def test_a_value_is_read_in_its_unit(typed: str, unit: Unit, value: float) -> None:
    assert read_value(typed, unit, "threshold") == value
    assert read_value(type_value(value, unit), unit, "threshold") == value


@pytest.mark.parametrize(
    ("typed", "unit", "hint"),
    [
        ("", "ratio", "write it like 10 % or 0.1"),
        ("10 %", "number", "write it like 3"),
        ("1h", "ratio", "write it like 10 %"),
        ("five", "bytes", "write it like 500 MB"),
        ("5 apples", "bytes", "write it like 500 MB"),
        ("soon", "seconds", "is no span of time"),
        ("nan", "number", "cannot be read"),
        ("1e400", "number", "cannot be read"),
        ("%", "ratio", "cannot be read"),
    ],
)
def test_what_means_nothing_is_refused_with_how_to_write_it(
    typed: str, unit: Unit, hint: str
) -> None:
    with pytest.raises(InvalidInput, match=r"^threshold ") as refused:
        read_value(typed, unit, "threshold")
    assert hint in str(refused.value)
