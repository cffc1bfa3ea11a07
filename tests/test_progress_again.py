"""What was made and is to be made again is open: `status --watch` stays for it."""

from keepsake.database import connect
from keepsake.pipeline.ledger.repair import redo
from keepsake.records.progress import progress
from tests.test_search import NORTH, House


def test_what_is_to_be_made_again_is_pending_and_not_done(database_url: str) -> None:
    with connect(database_url) as db:
        record_id = House(db, "The Marlows").say("We sailed north.", NORTH)
        db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
        assert not any(step.open for step in progress(db))
        redo(db, 1, record_id, "stories")
        (story,) = (step for step in progress(db) if step.step == "stories")
        assert (story.pending, story.done, story.open) == (1, 0, 1)
        assert sum(step.open for step in progress(db)) == 1
