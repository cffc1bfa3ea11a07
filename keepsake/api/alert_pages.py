"""The pages of alerts: what is wrong now, the rules by which people are told, and what happened.

`/alerts` is about the whole system and for operators, `/o/OWNER/alerts` about one owner. All of it
is forms that work without scripts. Who may do what is in `http/alerts.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.principal import Principal
from keepsake.api.job_forms import Errors, typed
from keepsake.api.pages import TEMPLATES
from keepsake.delivery.channels import operators_channels
from keepsake.delivery.notifications import Delivery
from keepsake.errors import InvalidInput
from keepsake.http import alerts
from keepsake.http.callers import OwnerCaller, SignedIn
from keepsake.http.jobs import Reach, reach_of
from keepsake.http.pages import OwnerPage, owner_page, render
from keepsake.http.problems import Problem
from keepsake.http.state import ForState, State
from keepsake.monitoring.alerts.delivery import send_test
from keepsake.monitoring.alerts.listing import log_entries, open_alerts
from keepsake.monitoring.alerts.rules import METRICS, NewRule, Rule, rules, write_value
from keepsake.monitoring.alerts.values import read_seconds, read_value, type_seconds, type_value
from keepsake.settings import Settings
from keepsake.text.moments import when

router = APIRouter(include_in_schema=False)

RuleId = Annotated[int, Path(ge=1, le=2**63 - 1)]
SHOWN = 20  # entries of the history
MUTES = {"1h": "an hour", "8h": "8 hours", "1d": "a day", "7d": "a week"}
COMPARISONS = {"above": "above", "below": "below"}
SEVERITIES = {each: each for each in ("critical", "high", "medium", "low")}
TIMES = {"window_seconds": "5m", "for_seconds": "0s", "cooldown_seconds": "5m"}


@dataclass(frozen=True)
class AlertsView:
    """A request for a page about alerts.

    Attributes:
        request: what is asked.
        reach: whose alerts they are.
        page: the frame of an owner's pages; None: they are the whole system's.
    """

    request: Request
    reach: Reach
    page: OwnerPage | None

    @property
    def at(self) -> str:
        """What addresses of these pages begin with."""
        return f"{self.page.at}/alerts" if self.page else "/alerts"

    @property
    def may_change(self) -> bool:
        """Whether the caller may change the rules."""
        owner_id = self.reach.owner_id
        return self.reach.caller.operator or (
            owner_id is not None and self.reach.caller.may(owner_id, "manage")
        )

    @property
    def metrics(self) -> dict[str, str]:
        """What rules may measure here, as choices of a field."""
        return {
            name: metric.about
            for name, metric in METRICS.items()
            if self.page is None or metric.of_owners
        }

    def when(self, moment: datetime) -> str:
        """A moment by the clock of whose page it is."""
        return self.page.when(moment) if self.page else when(moment.astimezone(UTC))

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """The page; its template gets this as `view`."""
        if self.page:
            values["page"] = self.page
        return render(self.request, TEMPLATES / template, status=status, view=self, **values)

    def to_list(self, rule: Rule | None = None) -> Response:
        """Back to the list, where the rule is."""
        return RedirectResponse(f"{self.at}#rule-{rule.id}" if rule else self.at, 303)


async def _view(
    request: Request, state: State, caller: Principal, owner: str | None, permission: str
) -> AlertsView:
    """What the path names: an owner, or for operators the whole system.

    Raises:
        Problem: there is no such owner for them, or they may not.
    """
    if owner is None:
        if not caller.operator:
            raise Problem("forbidden", "alerts about the whole system are for its operators")
        return AlertsView(request, Reach(state, caller, None), None)
    reach = await reach_of(state, caller, owner, permission)
    assert reach.owner_id is not None  # noqa: S101  # an owner was named
    page = await owner_page(request, OwnerCaller(reach.owner_id, caller, state))
    return AlertsView(request, reach, page)


def _for_alerts(permission: str) -> Any:
    async def find(request: Request, state: ForState, caller: SignedIn) -> AlertsView:
        owner: str | None = request.path_params.get("owner")
        return await _view(request, state, caller, owner, permission)

    return Depends(find)


Reader = Annotated[AlertsView, _for_alerts("read")]
Manager = Annotated[AlertsView, _for_alerts("manage")]


@router.get("/alerts")
@router.get("/o/{owner}/alerts")
async def show(view: Reader) -> Response:
    """What is wrong now, the rules, and what happened."""
    return await _list(view)


@router.post("/alerts/test")
async def try_out(view: Manager) -> Response:
    """Send a test alert by every channel, and show what each answered."""
    return await _list(view, tested=await send_test(view.reach.state.settings))


@router.get("/alerts/rules/new")
@router.get("/o/{owner}/alerts/rules/new")
async def new_rule(view: Manager) -> Response:
    """The form of a new rule."""
    return _form(view, TIMES, Errors())


@router.post("/alerts/rules/new")
@router.post("/o/{owner}/alerts/rules/new")
async def add(view: Manager) -> Response:
    """Add a rule."""
    said = await typed(view.request)
    values, errors = _read(said)
    if not errors:
        try:
            return view.to_list(await alerts.add(view.reach, NewRule(**values)))
        except InvalidInput as error:
            _note(errors, error)
    return _form(view, said, errors)


@router.get("/alerts/rules/{rule_id}")
@router.get("/o/{owner}/alerts/rules/{rule_id}")
async def show_rule(view: Manager, rule_id: RuleId) -> Response:
    """The form to change it."""
    rule = await alerts.find(view.reach, rule_id)
    return _form(view, _filled(rule), Errors(), rule)


@router.post("/alerts/rules/{rule_id}")
@router.post("/o/{owner}/alerts/rules/{rule_id}")
async def change(view: Manager, rule_id: RuleId) -> Response:
    """Change it. Its alerts are judged by it from then on."""
    rule = await alerts.find(view.reach, rule_id)
    said = await typed(view.request)
    values, errors = _read(said)
    if not errors:
        try:
            return view.to_list(await alerts.change(view.reach, rule_id, values))
        except InvalidInput as error:
            _note(errors, error)
    return _form(view, said, errors, rule)


@router.post("/alerts/rules/{rule_id}/{what}")
@router.post("/o/{owner}/alerts/rules/{rule_id}/{what}")
async def act(
    view: Manager, rule_id: RuleId, what: Literal["on", "off", "mute", "unmute", "remove"]
) -> Response:
    """Switch it on or off, mute it for a while, or remove it."""
    match what:
        case "on" | "off":
            await alerts.change(view.reach, rule_id, {"enabled": what == "on"})
        case "mute":
            span = (await typed(view.request)).get("for", "1h")
            until = datetime.now(UTC) + timedelta(seconds=read_seconds(span, "for"))
            await alerts.mute(view.reach, rule_id, until)
        case "unmute":
            await alerts.mute(view.reach, rule_id, None)
        case "remove":
            await alerts.remove(view.reach, rule_id)
            return view.to_list()
    return view.to_list(await alerts.find(view.reach, rule_id))


async def _list(view: AlertsView, tested: Mapping[str, Delivery] | None = None) -> Response:
    owner_id = view.reach.owner_id
    async with view.reach.transaction() as connection:
        found = await open_alerts(connection, owner_id=owner_id)
        known = await rules(connection, owner_id=owner_id)
        entries = await log_entries(connection, owner_id=owner_id, limit=SHOWN)
    return view.render(
        "alerts.html.j2",
        alerts=found,
        rules=known,
        entries=entries,
        tested=tested,
        channels=_channels(view.reach.state.settings),
        now=datetime.now(UTC),
        mutes=MUTES,
        says=_says,
    )


def _channels(settings: Settings) -> list[str]:
    """By what alerts about the whole system reach people."""
    alertmanager = ["alertmanager"] if settings.alertmanager_url.get_secret_value() else []
    return [*operators_channels(settings), *alertmanager]


def _says(rule: Rule) -> str:
    """When a rule applies, in words."""
    metric = METRICS[rule.metric]
    said = f"{metric.about} {rule.comparison} {write_value(rule.threshold, metric.unit)}"
    if metric.has_window:
        said += f", in {write_value(rule.window_seconds, 'seconds')}"
    if rule.for_seconds:
        said += f", for {write_value(rule.for_seconds, 'seconds')}"
    return said


def _read(said: Mapping[str, str]) -> tuple[dict[str, Any], Errors]:
    """The values of a rule that were typed, and what of it cannot be read."""
    errors, values = Errors(), dict[str, Any]()
    for name in ("name", "metric", "comparison", "severity"):
        values[name] = said.get(name, "").strip()
    if not values["name"]:
        errors["name"] = "give it a name"
    if values["metric"] not in METRICS:
        errors["metric"] = "choose what is measured"
        return values, errors
    unit = METRICS[values["metric"]].unit
    with errors.of("threshold"):
        values["threshold"] = read_value(said.get("threshold", ""), unit, "the value")
    with errors.of("clear_at"):
        typed_in = said.get("clear_at", "").strip()
        values["clear_at"] = read_value(typed_in, unit, "the value") if typed_in else None
    for name, usual in TIMES.items():
        with errors.of(name):
            values[name] = read_seconds(said.get(name, "").strip() or usual, "the time")
    with errors.of("least_events"):
        typed_in = said.get("least_events", "").strip() or "0"
        values["least_events"] = int(read_value(typed_in, "number", "the number"))
    return values, errors


def _note(errors: Errors, error: InvalidInput) -> None:
    """Put what the library refuses beside its field, which is the first word that it says."""
    name = str(error).split()[0]
    errors[name if name in _FIELDS else ""] = str(error)


_FIELDS = {"name", "metric", "comparison", "severity", "threshold", "clear_at", "least_events"} | {
    *TIMES
}


def _filled(rule: Rule) -> dict[str, str]:
    """What the fields hold of a rule that is there."""
    unit = METRICS[rule.metric].unit
    return {
        "name": rule.name,
        "metric": rule.metric,
        "comparison": rule.comparison,
        "severity": rule.severity,
        "threshold": type_value(rule.threshold, unit),
        "clear_at": "" if rule.clear_at is None else type_value(rule.clear_at, unit),
        "least_events": str(rule.least_events),
        **{name: type_seconds(getattr(rule, name)) for name in TIMES},
    }


def _form(
    view: AlertsView, said: Mapping[str, str], errors: Errors, rule: Rule | None = None
) -> Response:
    return view.render(
        "alert_rule.html.j2",
        status=422 if errors else 200,
        rule=rule,
        said=said,
        errors=errors,
        comparisons=COMPARISONS,
        severities=SEVERITIES,
    )
