"""Who asks, as they are known here."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from keepsake.http.callers import SignedIn

router = APIRouter(prefix="/api", tags=["accounts"])


class OwnerAccess(BaseModel):
    """An owner, and what the caller may do for it."""

    owner: str = Field(description="Short name.", examples=["the-marlows"])
    permissions: list[str] = Field(examples=[["ingest", "read"]])


class Me(BaseModel):
    """The caller."""

    name: str = Field(description="Of the person, or of the token.", examples=["Phone"])
    operator: bool
    owners: list[OwnerAccess]


@router.get("/me")
async def read_me(caller: SignedIn) -> Me:
    """Who the token or the session stands for, and what they may do."""
    return Me(
        name=caller.name,
        operator=caller.operator,
        owners=[
            OwnerAccess(owner=access.slug, permissions=sorted(access.permissions))
            for access in caller.owners.values()
        ],
    )
