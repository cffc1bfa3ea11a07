"""Every metric that there is: its name, kind, labels and buckets, as Prometheus means them.

A counter or histogram is counted where the work is done and kept in `metric_totals`; a gauge is
read when somebody asks. Names follow https://prometheus.io/docs/practices/naming/. Labels hold
names from the code and the settings, never an owner, an address, an id or a text of a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "histogram", "gauge"]

MB = 1024 * 1024
RECORD_SECONDS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
STEP_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
MODEL_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
TRANSFER_SECONDS = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
DELAY_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SIZES = (1.0 * MB, 10.0 * MB, 50.0 * MB, 100.0 * MB, 500.0 * MB)


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: with its unit, and `_total` if it is a counter.
        kind: counter, histogram or gauge.
        about: one sentence, as `# HELP` shows it.
        labels: names, in the order in which values are kept.
        buckets: upper bounds of a histogram, without the last, +Inf.
    """

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_ALL = (
    # -- records and steps ------------------------------------------------------------------------
    Metric(
        "keepsake_records_added_total",
        "counter",
        "Records that were taken in.",
        ("line", "platform"),
    ),
    Metric(
        "keepsake_records_total",
        "counter",
        "Times that the work on a record came to its end: completed, partial_success or failed.",
        ("line", "status", "platform"),
    ),
    Metric(
        "keepsake_record_duration_seconds",
        "histogram",
        "From when a run took a record up until nothing more of it was to be made.",
        ("line", "status", "platform"),
        RECORD_SECONDS,
    ),
    Metric(
        "keepsake_steps_total",
        "counter",
        "Steps of records that ended: succeeded, failed, deferred or waiting.",
        ("line", "step", "status"),
    ),
    Metric(
        "keepsake_step_duration_seconds",
        "histogram",
        "Time that a step of a record took, pauses between its attempts included.",
        ("line", "step", "status"),
        STEP_SECONDS,
    ),
    Metric(
        "keepsake_step_retries_total",
        "counter",
        "Attempts at a step that the same run repeated.",
        ("line", "step", "error_type"),
    ),
    Metric(
        "keepsake_step_errors_total",
        "counter",
        "Attempts at a step that ended with an error.",
        ("line", "step", "error_type", "retryable"),
    ),
    Metric(
        "keepsake_step_start_delay_seconds",
        "histogram",
        "From when a step of a record was due until its first attempt began.",
        ("line",),
        DELAY_SECONDS,
    ),
    # -- models -----------------------------------------------------------------------------------
    Metric("keepsake_model_calls_total", "counter", "Answered calls of a model.", ("model",)),
    Metric(
        "keepsake_model_request_duration_seconds",
        "histogram",
        "Time that an answered call of a model took.",
        ("model",),
        MODEL_SECONDS,
    ),
    Metric(
        "keepsake_model_tokens_total",
        "counter",
        "Tokens that models read (input) and wrote (output).",
        ("model", "direction"),
    ),
    Metric(
        "keepsake_model_audio_seconds_total", "counter", "Audio that was transcribed.", ("model",)
    ),
    Metric(
        "keepsake_model_characters_total", "counter", "Characters that were spoken.", ("model",)
    ),
    Metric(
        "keepsake_model_cost_usd_total", "counter", "Spent on models that have a price.", ("model",)
    ),
    Metric(
        "keepsake_model_unpriced_calls_total",
        "counter",
        "Answered calls of which the price is not known.",
        ("model",),
    ),
    # -- media and objects ------------------------------------------------------------------------
    Metric(
        "keepsake_media_download_bytes",
        "histogram",
        "Size of media that were downloaded.",
        ("platform",),
        SIZES,
    ),
    Metric(
        "keepsake_media_download_duration_seconds",
        "histogram",
        "Time that a download of media took.",
        ("platform",),
        TRANSFER_SECONDS,
    ),
    Metric(
        "keepsake_object_upload_bytes",
        "histogram",
        "Size of objects that were stored.",
        ("line",),
        SIZES,
    ),
    Metric(
        "keepsake_object_upload_duration_seconds",
        "histogram",
        "Time that it took to store an object.",
        ("line",),
        TRANSFER_SECONDS,
    ),
    # -- jobs, webhooks, messages, requests -------------------------------------------------------
    Metric(
        "keepsake_jobs_ended_total",
        "counter",
        "Jobs that ended: succeeded, failed, timed_out, orphaned, cancelled or expired.",
        ("type", "status"),
    ),
    Metric(
        "keepsake_job_duration_seconds",
        "histogram",
        "Time that the last attempt at a job took.",
        ("type", "status"),
        RECORD_SECONDS,
    ),
    Metric(
        "keepsake_job_start_delay_seconds",
        "histogram",
        "From when a job was due until an attempt at it began.",
        ("type",),
        DELAY_SECONDS,
    ),
    Metric(
        "keepsake_webhook_attempts_total",
        "counter",
        "Attempts to send a webhook: delivered, refused (an answer that is no 2xx) or unreachable.",
        ("event", "outcome"),
    ),
    Metric(
        "keepsake_messages_total",
        "counter",
        "Messages to people that came to their end: sent, failed, unknown or expired.",
        ("kind", "status"),
    ),
    Metric(
        "keepsake_http_requests_total",
        "counter",
        "Requests that the API answered.",
        ("method", "route", "status"),
    ),
    Metric(
        "keepsake_http_request_duration_seconds",
        "histogram",
        "Time until an answer of the API began.",
        ("route",),
        REQUEST_SECONDS,
    ),
    # -- read when somebody asks ------------------------------------------------------------------
    Metric("keepsake_records_active", "gauge", "Records that runs have in work.", ("line",)),
    Metric(
        "keepsake_queue_steps",
        "gauge",
        "Steps of records that are due now, those that runs have in work included.",
        ("line", "step"),
    ),
    Metric(
        "keepsake_queue_oldest_age_seconds",
        "gauge",
        "For how long the step that is due longest has been so.",
        ("line",),
    ),
    Metric(
        "keepsake_steps_failed",
        "gauge",
        "Steps of records that failed for good and wait for a retry.",
        ("line", "step"),
    ),
    Metric("keepsake_jobs", "gauge", "Jobs that are pending or running.", ("type", "status")),
    Metric(
        "keepsake_jobs_oldest_pending_age_seconds",
        "gauge",
        "For how long the job that waits longest has been due.",
        ("type",),
    ),
    Metric("keepsake_workers", "gauge", "Workers that are alive, runs that are jobs included."),
    Metric(
        "keepsake_webhook_endpoints",
        "gauge",
        "Endpoints of webhooks: active or disabled.",
        ("state",),
    ),
    Metric("keepsake_month_spent_usd", "gauge", "Spent in this calendar month (UTC).", ("line",)),
    Metric(
        "keepsake_budgets",
        "gauge",
        "Owners with a monthly budget: within it, near (80 % are spent) or spent.",
        ("state",),
    ),
    Metric("keepsake_object_store_bytes", "gauge", "Size of all objects that are stored."),
    Metric("keepsake_object_store_quota_bytes", "gauge", "What the objects may take."),
    Metric(
        "keepsake_disk_used_ratio",
        "gauge",
        "Share of the disk of the data folder that is used.",
    ),
    Metric(
        "keepsake_model_end_timestamp_seconds",
        "gauge",
        "When the provider switches a model off that the settings name.",
        ("model",),
    ),
    Metric("keepsake_database_bytes", "gauge", "Size of the database."),
    Metric(
        "keepsake_backup_timestamp_seconds", "gauge", "When the newest complete backup was made."
    ),
    Metric(
        "keepsake_daemon_heartbeat_age_seconds",
        "gauge",
        "Since when a daemon of Dagster has given no sign of life.",
        ("daemon",),
    ),
    Metric(
        "keepsake_code_location_up",
        "gauge",
        "Whether Dagster has the code loaded: 1 or 0.",
        ("location",),
    ),
    Metric(
        "keepsake_sensor_tick_age_seconds",
        "gauge",
        "Since when a sensor that is switched on has not ticked.",
        ("sensor",),
    ),
    Metric(
        "keepsake_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate of PUBLIC_URL expires.",
    ),
    Metric(
        "keepsake_probe_success",
        "gauge",
        "Whether a part of these figures could be read or measured: 1 or 0.",
        ("probe",),
    ),
    Metric("keepsake_alerts", "gauge", "Alerts that are pending or firing.", ("severity", "state")),
    Metric("keepsake_build_info", "gauge", "Always 1; the label says which version.", ("version",)),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
