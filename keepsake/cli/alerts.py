"""`keepsake alerts`: what is wrong, what people are told of, and whether that reaches them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.cli.asking import ask, owner_id, shown_time
from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, complain, filled, print_json, print_table

if TYPE_CHECKING:
    from keepsake.database import AsyncConnection
    from keepsake.monitoring.alerts.rules import Rule
    from keepsake.monitoring.alerts.states import Alert

alerts = typer.Typer(
    no_args_is_help=True,
    help="Alerts: what is wrong now, the rules by which people are told, and where that goes.",
)

Owner = Annotated[
    str | None,
    typer.Option(help="Whose: name, short name or id. Without it: about the whole system."),
]
RuleId = Annotated[
    int, typer.Argument(metavar="ID", help="Id of the rule: see `keepsake alerts rules`.")
]
Threshold = typer.Option(help="In the metric's unit: 10%, 1h, 20GB, 14 or 3.")
ClearAt = typer.Option(help="At which an alert ends; without it at the threshold.")
Window = typer.Option(help="How far back the metric looks: 5m, 1h.")
Hold = typer.Option("--for", help="How long it must be so before people are told: 0s, 5m.")
Severity = typer.Option(help="critical, high, medium or low.")
Cooldown = typer.Option(help="For how long people are not told again: 5m, 1d.")
LeastEvents = typer.Option(help="From how many things a value must come to count.")
Comparison = typer.Option("--below/--above", help="On which side of the threshold it is wrong.")


@alerts.command("list")
def list_alerts(
    owner: Owner = None,
    ended: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    json: Json = False,
) -> None:
    """List what is wrong now: alerts that fire or are about to."""
    from keepsake.monitoring.alerts.listing import latest_alerts, open_alerts

    whose, find = owner_id(owner), latest_alerts if ended else open_alerts
    found = ask(lambda connection: find(connection, owner_id=whose))
    if json:
        print_json(found)
    elif not found:
        typer.echo("No alert." if ended else "Nothing is wrong that a rule looks at.")
    else:
        rows = [_alert_row(alert) for alert in found]
        print_table("Alerts", rows, filled(rows))


@alerts.command("rules")
def list_rules(owner: Owner = None, json: Json = False) -> None:
    """List the rules by which people are told."""
    from keepsake.monitoring.alerts.rules import rules

    whose = owner_id(owner)
    found = ask(lambda connection: rules(connection, owner_id=whose))
    if json:
        print_json(found)
    elif not found:
        typer.echo("No rule yet: `keepsake alerts add` adds one.")
    else:
        rows = [_rule_row(rule) for rule in found]
        print_table("Rules", rows, filled(rows))


@alerts.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which people are told.")],
    metric: Annotated[str, typer.Option(help="What is measured; one that is none lists them.")],
    threshold: Annotated[str, Threshold],
    below: Annotated[bool, Comparison] = False,
    clear_at: Annotated[str | None, ClearAt] = None,
    window: Annotated[str, Window] = "5m",
    hold: Annotated[str, Hold] = "0s",
    severity: Annotated[str, Severity] = "medium",
    cooldown: Annotated[str, Cooldown] = "5m",
    least_events: Annotated[int, LeastEvents] = 0,
    owner: Owner = None,
    json: Json = False,
) -> None:
    """Add a rule."""
    from keepsake.monitoring.alerts import managing
    from keepsake.monitoring.alerts.rules import NewRule

    given = _typed(
        known_metric(metric),
        threshold=threshold,
        clear_at=clear_at,
        window=window,
        hold=hold,
        cooldown=cooldown,
    )
    new = NewRule(
        name,
        metric,  # type: ignore[arg-type]  # the library says which there are
        comparison="below" if below else "above",
        severity=severity,  # type: ignore[arg-type]
        least_events=least_events,
        **given,
    )
    whose = owner_id(owner)

    async def work(connection: "AsyncConnection") -> "Rule":
        async with connection.transaction():
            return await managing.add(connection, None, whose, new)

    _say(ask(work), "is added", json=json)


@alerts.command("change")
def change(
    rule: RuleId,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    threshold: Annotated[str | None, Threshold] = None,
    below: Annotated[bool | None, Comparison] = None,
    clear_at: Annotated[str | None, ClearAt] = None,
    window: Annotated[str | None, Window] = None,
    hold: Annotated[str | None, Hold] = None,
    severity: Annotated[str | None, Severity] = None,
    cooldown: Annotated[str | None, Cooldown] = None,
    least_events: Annotated[int | None, LeastEvents] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it is judged.")
    ] = None,
    json: Json = False,
) -> None:
    """Change a rule, switch it off, or on again."""
    from keepsake.monitoring.alerts import managing

    said: dict[str, Any] = {
        "name": name,
        "severity": severity,
        "least_events": least_events,
        "enabled": enabled,
        "comparison": None if below is None else "below" if below else "above",
    }

    async def work(connection: "AsyncConnection") -> "Rule":
        async with connection.transaction():
            whose = await managing.owner_of_rule(connection, rule)
            found = await managing.find(connection, whose, rule)
            typed = _typed(
                found.metric,
                threshold=threshold,
                clear_at=clear_at,
                window=window,
                hold=hold,
                cooldown=cooldown,
            )
            changes = {name: value for name, value in said.items() if value is not None} | typed
            return await managing.change(connection, None, whose, rule, changes)

    _say(ask(work), "is changed", json=json)


@alerts.command("remove")
def remove(rule: RuleId, json: Json = False) -> None:
    """Remove a rule and its alerts. One that is built in is switched off instead."""
    from keepsake.monitoring.alerts import managing

    async def work(connection: "AsyncConnection") -> "Rule":
        async with connection.transaction():
            whose = await managing.owner_of_rule(connection, rule)
            return await managing.remove(connection, None, whose, rule)

    _say(ask(work), "is removed", json=json)


@alerts.command("mute")
def mute(
    rule: RuleId,
    span: Annotated[str, typer.Option("--for", help="For how long: 1h, 2d.")] = "1h",
    json: Json = False,
) -> None:
    """Tell nobody of a rule's alerts for a while. They come and go all the same."""
    from keepsake.monitoring.alerts.values import read_seconds

    until = datetime.now(UTC) + timedelta(seconds=read_seconds(span, "--for"))
    _say(_mute(rule, until), f"is muted until {until:%Y-%m-%d %H:%M} UTC", json=json)


@alerts.command("unmute")
def unmute(rule: RuleId, json: Json = False) -> None:
    """Tell people of a rule's alerts again."""
    _say(_mute(rule, None), "is not muted", json=json)


def _mute(rule: int, until: datetime | None) -> "Rule":
    from keepsake.monitoring.alerts import managing

    async def work(connection: "AsyncConnection") -> "Rule":
        async with connection.transaction():
            whose = await managing.owner_of_rule(connection, rule)
            return await managing.mute(connection, None, whose, rule, until)

    return ask(work)


@alerts.command("history")
def history(
    owner: Owner = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    json: Json = False,
) -> None:
    """Show what happened to alerts and rules, the newest first."""
    from keepsake.monitoring.alerts.listing import log_entries

    whose = owner_id(owner)
    found = ask(lambda connection: log_entries(connection, owner_id=whose, limit=limit))
    if json:
        print_json(found)
    elif not found:
        typer.echo("Nothing has happened yet.")
    else:
        rows = [
            {
                "at": shown_time(entry.at),
                "rule": entry.rule_name,
                "about": entry.subject,
                "from": entry.from_state,
                "to": entry.to_state or ("ended" if entry.alert_id else None),
                "detail": entry.detail,
            }
            for entry in found
        ]
        print_table("History", rows, filled(rows))


@alerts.command("test")
def try_out(json: Json = False) -> None:
    """Send a test alert by every channel of the operators, and say what each answered."""
    import asyncio

    from keepsake.monitoring.alerts.delivery import send_test
    from keepsake.settings import load_settings

    found = asyncio.run(send_test(load_settings()))
    failed = [name for name, delivery in found.items() if delivery.status != "sent"]
    if json:
        print_json(
            [
                {"channel": name, "status": delivery.status, "detail": delivery.detail}
                for name, delivery in found.items()
            ]
        )
    elif not found:
        complain(
            "alerts reach no one: set ALERT_URLS, SLACK_WEBHOOK_URL, ALERT_WEBHOOK_URL or "
            "ALERTMANAGER_URL (docs/monitoring.md)"
        )
    for name, delivery in found.items() if not json else ():
        typer.echo(f"{name}: {delivery.status} ({delivery.detail})")
    if failed or not found:
        raise typer.Exit(1)


def known_metric(metric: str) -> Any:
    """A metric of rules.

    Raises:
        InvalidInput: there is none of that name.
    """
    from keepsake.monitoring.alerts.rules import METRICS

    if metric not in METRICS:
        known = "; ".join(f"{name} ({what.about})" for name, what in METRICS.items())
        raise InvalidInput(f"there is no metric {metric[:100]!r}. There are: {known}")
    return metric


def _typed(metric: Any, **said: str | None) -> dict[str, Any]:
    """What was typed of a rule's values, in their units; what was not given is left out."""
    from keepsake.monitoring.alerts.rules import METRICS
    from keepsake.monitoring.alerts.values import read_seconds, read_value

    unit = METRICS[metric].unit
    given: dict[str, Any] = {}
    for name in ("threshold", "clear_at"):
        if (text := said[name]) is not None:
            given[name] = read_value(text, unit, f"--{name.replace('_', '-')}")
    for name, option in (("window", "--window"), ("hold", "--for"), ("cooldown", "--cooldown")):
        if (text := said[name]) is not None:
            column = f"{'for' if name == 'hold' else name}_seconds"
            given[column] = read_seconds(text, option)
    return given


def _say(rule: "Rule", what: str, *, json: bool) -> None:
    if json:
        print_json(rule)
    else:
        typer.echo(f"Rule {rule.id} ({rule.name}) {what}.")


def _alert_row(alert: "Alert") -> Mapping[str, Any]:
    return {
        "id": alert.id,
        "rule": alert.rule_id,
        "severity": alert.severity,
        "state": alert.state,
        "name": alert.rule_name,
        "about": alert.subject,
        "says": alert.message,
        "since": shown_time(alert.fired_at),
        "until": shown_time(alert.resolved_at),
    }


def _rule_row(rule: "Rule") -> Mapping[str, Any]:
    from keepsake.monitoring.alerts.rules import METRICS
    from keepsake.monitoring.alerts.values import type_seconds, type_value

    metric = METRICS[rule.metric]
    muted = rule.is_muted(datetime.now(UTC))
    return {
        "id": rule.id,
        "name": rule.name,
        "metric": rule.metric,
        "when": f"{rule.comparison} {type_value(rule.threshold, metric.unit)}",
        "window": type_seconds(rule.window_seconds) if metric.has_window else None,
        "for": type_seconds(rule.for_seconds) if rule.for_seconds else None,
        "severity": rule.severity,
        "cooldown": type_seconds(rule.cooldown_seconds),
        "state": "off" if not rule.enabled else "on",
        "muted until": shown_time(rule.muted_until) if muted else None,
    }
