"""The running journal in the demo: eight activities become letters, advice, and a week's digest.

`data/runs/` holds the files, `make_runs.py` the script that made them. The digest is what the
schedule makes every Monday; the demo asks Dagster for it, as one does in its UI.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from keepsake.demo.bookmarks import owner
from keepsake.demo.orders import materialize
from keepsake.demo.show import line
from keepsake.demo.stage import Chapter, Stage
from keepsake.records.adding import Added
from keepsake.running.activity import set_max_heart_rate
from keepsake.running.digest import find_digest
from keepsake.running.views import read_activity
from keepsake.running.wording import span
from keepsake.text.counted import counted

RUNS = Path(__file__).parent / "data" / "runs"
MAX_HEART_RATE = 186  # Ellen's; without it the highest one seen would count
SHOWN = 3  # activities; the others are in `keepsake status`
WEEK = date(2026, 11, 9)  # one with several runs
LABELS = {
    "activities": "the facts in the file",
    "letters": "a letter about it",
    "coaching_insights": "what a coach would say",
}


def _add(stage: Stage) -> list[Added]:
    ellen = owner(stage)
    set_max_heart_rate(stage.connection, ellen.id, MAX_HEART_RATE)
    return [
        stage.api.upload("POST", "/api/activities", file, owner=ellen.slug, title=_title(file))
        for file in sorted(RUNS.iterdir())
    ]


def _title(file: Path) -> str:
    """The name of a run: `2026-09-12-harbor-loop.fit.gz` is the harbor loop."""
    return file.name.partition(".")[0][len("2026-09-12-") :].replace("-", " ").capitalize()


def _show(stage: Stage, ids: Sequence[int]) -> None:
    """Print letter and advice for the last three activities, and where the week's page is."""
    out, ellen = stage.console, owner(stage)
    for record_id in ids[-SHOWN:]:
        found = read_activity(stage.connection, ellen.id, record_id)
        facts = {fact.name: fact.text for fact in found.facts}
        out.print()
        out.print(found.title or facts.get("date", "Activity"), style="bold cyan")
        parts = [facts[name] for name in ("distance", "moving time", "pace") if name in facts]
        out.print(", ".join([*parts, f"record {record_id}"]), style="dim")
        if found.letter:
            line(out, "letter", " ".join(found.letter.split()))
        if found.insight:
            line(out, "coach", found.insight.recommendation)
        line(out, "page", stage.page(ellen.slug, "running", record_id))
    _show_digest(stage)


def _show_digest(stage: Stage) -> None:
    materialize(stage.addresses, "weekly_digests", WEEK.isoformat())
    ellen = owner(stage)
    digest, _ = find_digest(stage.connection, ellen, WEEK)
    out, total = stage.console, digest.total
    out.print()
    out.print(f"The week of {digest.week:%-d %B %Y}", style="bold cyan")
    out.print(f"{counted(total.runs, 'run')}, {total.distance / 1000:.1f} km", style="dim")
    for race in digest.predictions:
        line(out, "race", f"{race.race} in {span(race.fastest, race.slowest)}")
    line(out, "page", f"{stage.addresses.api_url}/o/{ellen.slug}/running/weeks/{WEEK}")


RUNNING_CHAPTER = Chapter(
    about="a running journal, from a watch's file to a letter, a coach's advice, a week's page",
    labels=LABELS,
    add=_add,
    added="activities of Ellen",
    show=_show,
)
