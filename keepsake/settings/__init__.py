"""Every setting, from the environment or `.env`, with its default.

`docs/settings.md` is the table an operator reads; a test holds the two together. An empty value
counts as not set. What is not set falls to the embedded default: a PostgreSQL, a folder of objects
and a model server of our own under `KEEPSAKE_HOME`. Nothing here opens what a setting names.
"""

from keepsake.settings.endpoint import (
    LOCAL_CHOICES,
    LOCAL_MODELS,
    ROLES,
    Endpoint,
    Provider,
    Role,
    is_openai,
)
from keepsake.settings.groups import (
    DAGSTER_PREFIX,
    AccountSettings,
    ApiSettings,
    AudioSettings,
    BackupSettings,
    DagsterSettings,
    DatabaseSettings,
    DeliverySettings,
    HomeSettings,
    IntakeSettings,
    JobSettings,
    LogSettings,
    MediaSettings,
    ModelSettings,
    ObjectSettings,
    StepSettings,
    TraceSettings,
    WebSettings,
    WorkerSettings,
)
from keepsake.settings.loading import Settings, dot_env, load_settings

__all__ = [
    "DAGSTER_PREFIX",
    "LOCAL_CHOICES",
    "LOCAL_MODELS",
    "ROLES",
    "AccountSettings",
    "ApiSettings",
    "AudioSettings",
    "BackupSettings",
    "DagsterSettings",
    "DatabaseSettings",
    "DeliverySettings",
    "Endpoint",
    "HomeSettings",
    "IntakeSettings",
    "JobSettings",
    "LogSettings",
    "MediaSettings",
    "ModelSettings",
    "ObjectSettings",
    "Provider",
    "Role",
    "Settings",
    "StepSettings",
    "TraceSettings",
    "WebSettings",
    "WorkerSettings",
    "dot_env",
    "is_openai",
    "load_settings",
]
