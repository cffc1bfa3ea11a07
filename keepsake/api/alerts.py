"""Alerts over HTTP, and the rules by which people are told of them.

Who may do what is in `http/alerts.py`; what rules and alerts are, in `keepsake/monitoring/alerts/`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keepsake.errors import InvalidInput
from keepsake.http import alerts
from keepsake.http.added import Answer
from keepsake.http.callers import OfOwnerOrAll, SignedIn
from keepsake.http.idempotency import IdempotencyKey, once
from keepsake.http.jobs import reach_of
from keepsake.http.state import ForState
from keepsake.monitoring.alerts.listing import Entry, latest_alerts, log_entries, open_alerts
from keepsake.monitoring.alerts.rules import (
    METRICS,
    Comparison,
    Metric,
    NewRule,
    Rule,
    Severity,
    Unit,
    rules,
)
from keepsake.monitoring.alerts.states import Alert, State

router = APIRouter(prefix="/api", tags=["monitoring"])

MOST = 500  # of one answer
_LARGEST = 2**63 - 1

RuleId = Annotated[int, Path(ge=1, le=_LARGEST, examples=[3])]
Limit = Annotated[int, Query(ge=1, le=MOST)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Seconds = Annotated[int, Field(ge=0, le=31 * 24 * 3600)]


class RuleToAdd(BaseModel):
    """A rule to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="An owner has it once.", examples=["Many fail"])
    metric: Metric = Field(description="See `/api/alert-rules/metrics`.", examples=["failure_rate"])
    threshold: _Number = Field(
        description="In the metric's unit; a ratio is 0.1 for 10 %.", examples=[0.1]
    )
    comparison: Comparison = Field("above", description="On which side of it things are wrong.")
    clear_at: _Number | None = Field(
        None, description="At which an alert ends; null: at the threshold."
    )
    window_seconds: _Seconds = Field(300, description="How far back the metric looks.")
    for_seconds: _Seconds = Field(0, description="How long it must be so before people are told.")
    severity: Severity = "medium"
    cooldown_seconds: _Seconds = Field(
        300, description="Within which people are not told again of the same subject."
    )
    least_events: int = Field(
        0, ge=0, le=10**9, description="From how many things a value must come to count."
    )
    enabled: bool = True


class RuleChanges(BaseModel):
    """What to change of a rule; what is absent stays. `clear_at` null is the threshold."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    metric: Metric | None = None
    threshold: _Number | None = None
    comparison: Comparison | None = None
    clear_at: _Number | None = None
    window_seconds: _Seconds | None = None
    for_seconds: _Seconds | None = None
    severity: Severity | None = None
    cooldown_seconds: _Seconds | None = None
    least_events: int | None = Field(None, ge=0, le=10**9)
    enabled: bool | None = None


class AlertRule(RuleToAdd):
    """A rule."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    id: int
    built_in: bool = Field(description="It may be changed and switched off, not removed.")
    muted_until: datetime | None = Field(description="Nobody is told before.")


class AlertRules(BaseModel):
    """The rules of an owner or of the system, those that are built in first."""

    rules: list[AlertRule]


class AlertMetric(BaseModel):
    """What a rule may measure."""

    name: Metric
    about: str
    unit: Unit = Field(description="Of thresholds. A ratio is of 1.")
    has_window: bool = Field(description="Whether it looks back, by `window_seconds`.")
    of_owners: bool = Field(description="Whether rules of owners may have it.")


class AlertMetrics(BaseModel):
    """All metrics of rules."""

    metrics: list[AlertMetric]


class ShownAlert(BaseModel):
    """An alert."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    rule_id: int
    rule_name: str
    severity: Severity
    subject: str = Field(description="Which of those that the rule is about; '': there is one.")
    state: State
    value: float | None = Field(description="As last measured; null: it could not be.")
    threshold: float
    metric: Metric
    message: str
    fired_at: datetime | None = Field(description="Null: it is pending.")
    resolved_at: datetime | None = Field(description="Null: it is open.")


class Alerts(BaseModel):
    """Alerts, the newest first."""

    alerts: list[ShownAlert]


class AlertEvent(BaseModel):
    """What happened to an alert or a rule."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    rule_id: int
    rule_name: str
    alert_id: int | None = Field(description="Null: it was done to the rule.")
    subject: str
    from_state: State | None
    to_state: State | None
    value: float | None
    detail: str


class AlertEvents(BaseModel):
    """What happened, the newest first."""

    events: list[AlertEvent]
    next: int | None = Field(description="`before` of the next page; null: this is the last.")


class Muting(BaseModel):
    """For how long nobody is told."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime = Field(examples=["2026-12-01T08:00:00Z"])


@router.get("/alerts")
async def list_alerts(
    state: ForState,
    caller: SignedIn,
    owner: OfOwnerOrAll = None,
    which: Annotated[Literal["open", "all"], Query(description="`all`: also ended ones.")] = "open",
    limit: Limit = 100,
) -> Alerts:
    """What is wrong now: alerts that fire, or are about to."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found: list[Alert] = (
            await open_alerts(connection, owner_id=reach.owner_id)
            if which == "open"
            else await latest_alerts(connection, owner_id=reach.owner_id, limit=limit)
        )
    return Alerts(alerts=[ShownAlert.model_validate(alert) for alert in found[:limit]])


@router.get("/alerts/history")
async def read_alert_history(
    state: ForState,
    caller: SignedIn,
    owner: OfOwnerOrAll = None,
    before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
    limit: Limit = 100,
) -> AlertEvents:
    """What happened to alerts and rules, the newest first."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found: list[Entry] = await log_entries(
            connection, owner_id=reach.owner_id, limit=limit, before=before
        )
    following = found[-1].id if len(found) == limit else None
    return AlertEvents(events=[AlertEvent.model_validate(e) for e in found], next=following)


@router.get("/alert-rules/metrics")
async def list_alert_metrics(_caller: SignedIn) -> AlertMetrics:
    """What rules may measure."""
    return AlertMetrics(
        metrics=[AlertMetric(name=name, **vars(about)) for name, about in METRICS.items()]
    )


@router.get("/alert-rules")
async def list_alert_rules(
    state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> AlertRules:
    """The rules of an owner, or about the whole system."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await rules(connection, owner_id=reach.owner_id)
    return AlertRules(rules=[AlertRule.model_validate(rule) for rule in found])


@router.post("/alert-rules", status_code=201, response_model=AlertRule)
async def add_alert_rule(
    request: Request,
    state: ForState,
    caller: SignedIn,
    said: RuleToAdd,
    owner: OfOwnerOrAll = None,
    key: IdempotencyKey = None,
) -> Response:
    """Add a rule."""
    reach = await reach_of(state, caller, owner, "manage")
    async with once(request, state, reach.owner_id, key) as asked:
        await asked.check(await request.body())

        async def answer(connection: Any, rule: Rule) -> None:
            body = AlertRule.model_validate(rule).model_dump(mode="json")
            await asked.keep(connection, Answer(201, body, f"/api/alert-rules/{rule.id}"))

        await alerts.add(reach, NewRule(**said.model_dump()), also=answer)
        return asked.response()


@router.get("/alert-rules/{rule_id}")
async def read_alert_rule(
    rule_id: RuleId, state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> AlertRule:
    """A rule."""
    reach = await reach_of(state, caller, owner)
    return AlertRule.model_validate(await alerts.find(reach, rule_id))


@router.patch("/alert-rules/{rule_id}")
async def change_alert_rule(
    rule_id: RuleId,
    state: ForState,
    caller: SignedIn,
    said: RuleChanges,
    owner: OfOwnerOrAll = None,
) -> AlertRule:
    """Change a rule, switch it off or on again. Its alerts are judged by it from then on."""
    changes = said.model_dump(exclude_unset=True)
    for name, value in changes.items():
        if value is None and name != "clear_at":
            raise InvalidInput(f"body.{name} is null: leave it out to let it stay as it is")
    reach = await reach_of(state, caller, owner, "manage")
    return AlertRule.model_validate(await alerts.change(reach, rule_id, changes))


@router.post("/alert-rules/{rule_id}/mute")
async def mute_alert_rule(
    rule_id: RuleId,
    state: ForState,
    caller: SignedIn,
    said: Muting,
    owner: OfOwnerOrAll = None,
) -> AlertRule:
    """Tell nobody of a rule's alerts until a time. They come and go all the same."""
    reach = await reach_of(state, caller, owner, "manage")
    return AlertRule.model_validate(await alerts.mute(reach, rule_id, said.until))


@router.post("/alert-rules/{rule_id}/unmute")
async def unmute_alert_rule(
    rule_id: RuleId, state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> AlertRule:
    """Tell people of a rule's alerts again."""
    reach = await reach_of(state, caller, owner, "manage")
    return AlertRule.model_validate(await alerts.mute(reach, rule_id, None))


@router.delete("/alert-rules/{rule_id}", status_code=204)
async def remove_alert_rule(
    rule_id: RuleId, state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> None:
    """Remove a rule and its alerts."""
    reach = await reach_of(state, caller, owner, "manage")
    await alerts.remove(reach, rule_id)
