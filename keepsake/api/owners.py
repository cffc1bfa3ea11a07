"""Owners over HTTP: what each keeps, may spend and has spent, and how far its records are."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from keepsake.api.batches import Progress, counted
from keepsake.database import Connection
from keepsake.http.callers import OwnerCaller, SignedIn, for_named_owner
from keepsake.http.state import ForState
from keepsake.owners.owners import summaries
from keepsake.records.progress import progress

router = APIRouter(prefix="/api/owners", tags=["owners"])


class Owner(BaseModel):
    """An owner. Amounts are USD, months calendar months (UTC)."""

    model_config = ConfigDict(from_attributes=True)

    slug: str = Field(description="Short name.", examples=["the-marlows"])
    name: str = Field(examples=["The Marlows"])
    time_zone: str = Field(examples=["Europe/Lisbon"])
    tier: str = Field(examples=["free"])
    budget: Decimal | None = Field(description="For a month; null: no bound.")
    spent: Decimal | None = Field(description="This month; null: a part of it is not known.")
    records: dict[str, int] = Field(description="How many, by line.", examples=[{"family": 12}])


class OwnerWithProgress(Owner):
    """An owner, and how far its records are."""

    progress: Progress


class Owners(BaseModel):
    """Some owners, by short name."""

    owners: list[Owner]


@router.get("")
async def list_owners(caller: SignedIn, state: ForState) -> Owners:
    """The owners that the caller may read; all of them for operators."""
    if caller.operator:
        found = await state.call(summaries)
    else:
        mine = [owner_id for owner_id in caller.owners if caller.may(owner_id, "read")]
        found = [
            each for owner_id in mine for each in await state.call_as(owner_id, summaries, owner_id)
        ]
    found.sort(key=lambda owner: owner.slug)
    return Owners(owners=[Owner.model_validate(each) for each in found])


@router.get("/{owner}")
async def read_owner(
    caller: Annotated[OwnerCaller, for_named_owner("read")],
) -> OwnerWithProgress:
    """An owner: what it keeps, its budget, and how far its records are in each step."""
    return await caller.call(_read, caller.owner_id)


def _read(connection: Connection, owner_id: int) -> OwnerWithProgress:
    (summary,) = summaries(connection, owner_id)
    steps = progress(connection, owner_id=owner_id)
    return OwnerWithProgress.model_validate({**vars(summary), "progress": counted(steps)})
