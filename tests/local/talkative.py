"""A process that logs as Dagster's do, also after the database has not answered."""

import logging

from dagster._utils.log import configure_loggers

configure_loggers()
daemon = logging.getLogger("dagster.daemon.SensorDaemon")
daemon.info("before")
logging.warning("Retrying failed database connection")  # as dagster_postgres does
daemon.info("after")
logging.getLogger("sqlalchemy.pool").error("of a library")
