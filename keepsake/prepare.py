"""Making a database ready for work: its schema, and what follows from the settings."""

from keepsake.database import Migration, connect, migrate
from keepsake.lines import check_scheduled_steps
from keepsake.pipeline.ledger.repair import hold_switched_off
from keepsake.search.index import ensure_vector_index
from keepsake.settings import Settings


def prepare(url: str, settings: Settings) -> list[Migration]:
    """Migrate the database at `url`, then have it follow the settings.

    That is: an index of the model in force, and no work due in steps that are switched off.

    Returns the migrations applied.

    Raises:
        SettingsError: STEPS_ON_SCHEDULE names no step. Nothing was changed.
        DatabaseError: the database is not fit for use; see `migrate`.
    """
    check_scheduled_steps(settings)
    applied = migrate(url)
    with connect(url) as connection:
        model = settings.endpoint("embeddings").model
        ensure_vector_index(connection, model, settings.embeds_dimensions)
        hold_switched_off(connection, settings.switched_off_steps, later=settings.scheduled_steps)
    return applied
