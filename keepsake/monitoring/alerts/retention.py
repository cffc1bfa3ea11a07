"""Alerts that ended long ago, and their log, are deleted."""

from keepsake.database import Connection


def delete_old_alerts(connection: Connection, kept_days: int) -> int:
    """Delete alerts that ended more than `kept_days` ago, and as old a log. How many alerts."""
    connection.execute(
        "DELETE FROM alert_log WHERE at < now() - %s * interval '1 day'", (kept_days,)
    )
    return connection.execute(
        "DELETE FROM alerts WHERE resolved_at < now() - %s * interval '1 day'", (kept_days,)
    ).rowcount
