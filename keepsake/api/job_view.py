"""Who looks at whose jobs: members at those of an owner, operators at all and the system's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse

from keepsake.accounts.principal import Principal
from keepsake.api import job_words
from keepsake.api.pages import TEMPLATES
from keepsake.http.callers import OwnerCaller, SignedIn
from keepsake.http.jobs import Reach, reach_of, reach_to_submit
from keepsake.http.pages import OwnerPage, owner_page, render
from keepsake.http.problems import Problem
from keepsake.http.state import ForState
from keepsake.jobs.registry import JobType
from keepsake.text.moments import when

UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class JobsView:
    """A request for a page about jobs.

    Attributes:
        request: what is asked.
        reach: the jobs that it may be about.
        page: the frame of an owner's pages; None: to an operator, who looks from outside.
    """

    request: Request
    reach: Reach
    page: OwnerPage | None

    @property
    def operator(self) -> bool:
        """Whether an operator asks."""
        return self.reach.caller.operator

    @property
    def zone(self) -> ZoneInfo:
        """Whose clock is shown."""
        return self.page.zone if self.page else UTC

    @property
    def asks_for_part(self) -> bool:
        """Whether a script asks, to put a part of the page into the one that is shown."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def may_submit(self) -> list[JobType[Any]]:
        """The types of jobs that the caller may submit."""
        registry = self.reach.state.registry
        return [kind for kind in registry.all() if self.reach.may_submit(kind)]

    @property
    def slug(self) -> str | None:
        """The short name of the owner whose jobs these are; None: all, to an operator."""
        return self.page.slug if self.page else None

    @property
    def owners(self) -> dict[str, str]:
        """The short names of the owners that the caller has, as choices of a field."""
        slugs = sorted(access.slug for access in self.reach.caller.owners.values())
        return dict(zip(slugs, slugs, strict=True))

    @property
    def query(self) -> str:
        """What addresses of pages about the same owner end with."""
        asked = self.request.query_params.get("owner")
        return owner_query(self.reach.caller, asked or self.slug)

    def kind(self, type_name: str) -> JobType[Any]:
        """A type that the caller may submit.

        Raises:
            InvalidInput: there is none of that name.
            Problem: they may not.
        """
        kind = self.reach.state.registry.find(type_name)
        if not self.reach.may_submit(kind):
            raise Problem("forbidden", f"you may not submit jobs of type {kind.name} yourself")
        return kind

    async def reach_to_submit(
        self, kind: JobType[Any], said: Mapping[str, str], errors: dict[str, str]
    ) -> Reach | None:
        """Where a job of a type goes by what a form says; None: `errors` says why not.

        Raises:
            Problem: the caller may not.
        """
        owner = None if kind.whose == "system" else said.get("owner", "").strip() or self.slug
        if owner is None and kind.whose == "owner":
            errors["owner"] = "say of which owner: its short name"
            return None
        try:
            return await reach_to_submit(self.reach.state, self.reach.caller, owner, kind)
        except Problem as problem:
            if problem.code != "not_found":
                raise
            errors["owner"] = problem.detail
            return None

    def title(self, type_name: str) -> str:
        """What jobs of a type do, as short as a heading."""
        return job_words.title(self.reach.state.registry, type_name)

    def when(self, moment: datetime) -> str:
        """A moment by that clock: `4 May 2026, 12:30`."""
        return self.page.when(moment) if self.page else when(moment.astimezone(UTC))

    def render(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page; its template gets this as `view`."""
        if self.page:
            values["page"] = self.page
        return render(
            self.request,
            TEMPLATES / template,
            status=status,
            view=self,
            words=job_words,
            **values,
        )


def owner_query(caller: Principal, slug: str | None) -> str:
    """What addresses end with that are about an owner; '' where there is no other to choose."""
    chooses = caller.operator or len(caller.owners) > 1
    return "?" + urlencode({"owner": slug}) if slug and chooses else ""


async def view_of(request: Request, reach: Reach) -> JobsView:
    """The view of these jobs."""
    page = None
    if reach.owner_id is not None and not reach.caller.operator:
        caller = OwnerCaller(reach.owner_id, reach.caller, reach.state)
        page = await owner_page(request, caller)
    return JobsView(request, reach, page)


async def _view(
    request: Request,
    state: ForState,
    caller: SignedIn,
    owner: Annotated[str, Query(max_length=200)] = "",
) -> JobsView:
    """What `?owner=` names: an owner; without it, to an operator all, to others their first."""
    slugs = [] if caller.operator else sorted(each.slug for each in caller.owners.values())
    reach = await reach_of(state, caller, owner or next(iter(slugs), None))
    return await view_of(request, reach)


ForJobs = Annotated[JobsView, Depends(_view)]
