"""What the lines register about themselves."""

import re
from collections.abc import Iterator

import pytest

from keepsake import lines
from keepsake.database import Connection, connect
from keepsake.errors import SettingsError
from keepsake.line_module import LineModule, MadeField
from keepsake.settings import StepSettings

every_line = pytest.mark.parametrize("module", lines.LINES, ids=lambda module: module.name)


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def test_every_line_of_the_database_is_registered(db: Connection) -> None:
    known = db.execute("SELECT DISTINCT line FROM steps ORDER BY 1").fetchall()
    assert [line for (line,) in known] == sorted(module.name for module in lines.LINES)


@every_line
def test_a_line_has_the_steps_that_the_database_has(db: Connection, module: LineModule) -> None:
    line = module.load_line()
    steps = db.execute("SELECT name FROM steps WHERE line = %s", (module.name,)).fetchall()
    assert line.name == module.name
    assert {step.name for step in line.steps} == {name for (name,) in steps}


@every_line
def test_the_steps_that_a_module_names_are_steps_of_its_line(module: LineModule) -> None:
    steps = {step.name for step in module.load_line().steps}
    named = {
        step
        for field in module.fields.values()
        for step in ([field.step] if isinstance(field, MadeField) else field.steps)
    }
    assert named | ({module.embeddings} - {None}) <= steps


@every_line
def test_lists_look_for_words_by_an_index(db: Connection, module: LineModule) -> None:
    for table, text in module.words:
        db.execute("SET enable_seqscan = off")
        plan = db.execute(
            f"EXPLAIN SELECT record_id FROM {table}"
            f" WHERE to_tsvector('simple', {text}) @@ to_tsquery('simple', 'bread')"
        ).fetchall()
        assert any("Bitmap Index Scan" in step for (step,) in plan), table


def scheduled(steps: str) -> StepSettings:
    return StepSettings.model_validate({"steps_on_schedule": steps})


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("podcasts, value_tags", "STEPS_ON_SCHEDULE: value_tags is called tags now"),
        ("podcast", "STEPS_ON_SCHEDULE: there is no step podcast (known: activities, "),
    ],
)
def test_a_scheduled_step_that_no_line_has_is_refused(steps: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(why)}"):
        lines.check_scheduled_steps(scheduled(steps))


def test_steps_of_every_line_may_be_left_to_a_schedule() -> None:
    lines.check_scheduled_steps(scheduled("podcasts, letters, keywords"))
