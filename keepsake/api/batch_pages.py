"""The page of an import: what it brought, and how far that is."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from keepsake import lines
from keepsake.api.pages import TEMPLATES
from keepsake.database import Connection
from keepsake.http.pages import OwnerPage, for_page
from keepsake.http.problems import Problem
from keepsake.records.batches import Batch, find_batch, rejections
from keepsake.records.progress import StepProgress, progress, time_left
from keepsake.show.steps import step_order

router = APIRouter(prefix="/o/{owner}/batches", include_in_schema=False)


@router.get("/{batch_id:int}")
async def show(
    page: Annotated[OwnerPage, for_page("read")],
    batch_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    seen: str = "",
) -> Response:
    """How far an import is; to a script that has seen that already, nothing."""
    batch, rejected, steps = await page.call(_read, page.owner_id, batch_id)
    counts = [(step.step, step.open, step.done, step.failed, step.waiting) for step in steps]
    state = hashlib.sha256(repr((batch, counts)).encode()).hexdigest()[:16]
    if page.asks_for_part and seen == state:
        return Response(status_code=204)
    return page.render(
        TEMPLATES / ("batch_progress.html.j2" if page.asks_for_part else "batch.html.j2"),
        batch=batch,
        records=lines.module_of(batch.line).records,
        rejections=rejected,
        steps=steps,
        left=time_left(steps),
        is_open=batch.taken_in_at is None or any(step.open for step in steps),
        state=state,
    )


def _read(
    connection: Connection, owner_id: int, batch_id: int
) -> tuple[Batch, list[tuple[str, str]], list[StepProgress]]:
    batch = find_batch(connection, owner_id, batch_id)
    if batch is None:
        raise Problem("not_found", f"there is no import {batch_id}")
    order = step_order(batch.line)
    steps = progress(connection, owner_id=owner_id, batch_id=batch_id)
    steps.sort(key=lambda step: order.get(step.step, len(order)))
    return batch, rejections(connection, owner_id, batch_id), steps
