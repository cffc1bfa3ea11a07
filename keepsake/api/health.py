"""Whether the process is alive, and whether it can work: for supervisors and load balancers."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from keepsake.http.state import ForState

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """That all is well; otherwise the answer is a problem."""

    status: Literal["ok"] = "ok"


@router.get("/health/live")
async def live() -> Health:
    """Answer while the process runs."""
    return Health()


@router.get("/health/ready")
async def ready(state: ForState) -> Health:
    """Answer with success while the database does."""
    async with state.pool.connection() as connection:
        await connection.execute("SELECT")
    return Health()
