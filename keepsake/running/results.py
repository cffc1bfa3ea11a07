"""What was made of an activity, as it is answered over HTTP."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from keepsake.line_module import Results
from keepsake.running.views import ActivityView


class FactOut(BaseModel):
    """One fact in words."""

    name: str = Field(examples=["distance"])
    text: str = Field(examples=["10.02 km"])
    assumed: bool = Field(description="Whether it rests on something that was not measured.")


class InsightOut(BaseModel):
    """The coach's advice, in three short texts."""

    heart_rate: str
    pacing: str
    recommendation: str


class ActivityResults(BaseModel):
    """What was made of an activity; what is not made yet is null or empty."""

    line: Literal["running"] = "running"
    file_name: str
    file: str = Field(description="Address of the file.")
    facts: list[FactOut]
    remarks: list[str] = Field(description="What was wrong in the file, and repaired or left out.")
    letter: str | None
    insight: InsightOut | None


def _of(made: ActivityView, address: Callable[[str], str]) -> ActivityResults:
    return ActivityResults(
        file_name=made.file_name,
        file=address(made.file_key),
        facts=[FactOut(**vars(fact)) for fact in made.facts],
        remarks=made.remarks,
        letter=made.letter,
        insight=InsightOut(**vars(made.insight)) if made.insight else None,
    )


RESULTS = Results(ActivityResults, _of)
