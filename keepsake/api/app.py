"""The application: its routes, and what happens before and after each of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from psycopg import DataError, OperationalError
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from keepsake import lines
from keepsake.api import (
    access,
    account,
    alert_pages,
    alerts,
    batch_pages,
    batches,
    changes,
    dagster,
    edit_page,
    events,
    export_page,
    exports,
    feeds,
    health,
    job_events,
    job_pages,
    job_schedules,
    jobs,
    listeners,
    listeners_page,
    many_jobs_page,
    me,
    metrics,
    monitoring,
    monitoring_page,
    new_job_page,
    oidc,
    owners,
    pages,
    received_webhooks,
    record_list,
    record_pages,
    records,
    schedule_pages,
    search,
    sign_in,
    tokens,
    webhook_endpoints,
    webhooks_page,
)
from keepsake.api.faults import FaultMiddleware
from keepsake.api.graphql import routes as graphql
from keepsake.errors import KeepsakeError
from keepsake.http.access_log import AccessLogMiddleware
from keepsake.http.bodies import delete_left
from keepsake.http.body_limit import BodyLimitMiddleware
from keepsake.http.cross_site import CrossSiteMiddleware
from keepsake.http.idempotency import AnsweredBefore, answer_again
from keepsake.http.pages import Revalidated, Section
from keepsake.http.problems import MEDIA_TYPE, ProblemDetails, answer_problem
from keepsake.http.proxies import ProxyMiddleware
from keepsake.http.request_metrics import RequestCounts, RequestMetricsMiddleware, flushing
from keepsake.http.security_headers import SecurityHeadersMiddleware
from keepsake.http.state import open_state
from keepsake.http.traced import TraceMiddleware
from keepsake.job_types import REGISTRY
from keepsake.settings import Settings
from keepsake.traces.spans import exported

STATIC = Path(__file__).parent / "static"
_ROUTERS = (
    health.router,
    metrics.router,
    me.router,
    pages.router,
    edit_page.router,
    listeners_page.router,
    export_page.router,
    webhooks_page.router,
    record_pages.router,
    batch_pages.router,
    job_pages.router,
    new_job_page.router,
    many_jobs_page.router,
    schedule_pages.router,
    alert_pages.router,
    monitoring_page.router,
    record_list.router,
    records.router,
    changes.router,
    events.router,
    batches.router,
    job_events.router,
    jobs.router,
    job_schedules.router,
    alerts.router,
    owners.router,
    exports.router,
    search.router,
    oidc.router,
    sign_in.router,
    account.router,
    access.router,
    tokens.router,
    dagster.router,
    graphql.router,
    feeds.router,
    listeners.router,
    webhook_endpoints.router,
    monitoring.router,
    received_webhooks.router,
)
_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457); `code` says which.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        "model": ProblemDetails,
    }
}


def create_app(settings: Settings) -> FastAPI:
    """The application. Nothing is connected before it starts."""
    requests = RequestCounts()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(delete_left, settings.incoming_folder)
        # Here, since a signal ends the process before `serve` returns.
        with exported(settings.span_receiver, "api"):
            async with open_state(settings, REGISTRY) as state, flushing(requests, state.pool):
                app.state.keepsake = state
                yield

    app = FastAPI(
        title="Keepsake",
        version=version("keepsake"),
        description="What people record, save and run, and what was made of it.",
        lifespan=lifespan,
        # It would record whole paths, with the tokens in them, and what errors say.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        docs_url=None,  # a page of our own, which asks no other server for anything
        redoc_url=None,
        responses=_PROBLEM,
        generate_unique_id_function=_operation_id,
    )
    for error in (
        HTTPException,
        RequestValidationError,
        KeepsakeError,
        DataError,
        OperationalError,
        PoolTimeout,
    ):
        app.add_exception_handler(error, answer_problem)
    app.add_exception_handler(AnsweredBefore, answer_again)
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(CrossSiteMiddleware)
    app.add_middleware(FaultMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    if settings.span_receiver:
        app.add_middleware(TraceMiddleware)
    app.add_middleware(RequestMetricsMiddleware, counts=requests)
    app.add_middleware(ProxyMiddleware, settings=settings)
    app.add_middleware(AccessLogMiddleware)
    # A line's own `records/{record_id}/feed` goes before `records/{record_id}/{field}`.
    for router in (*_routers_of_lines(), *_ROUTERS):
        app.include_router(router)
    app.state.sections = tuple(
        Section(module.name, module.section, module.needs)
        for module in lines.LINES
        if module.section
    )
    app.mount("/static", Revalidated(directory=STATIC), name="static")
    return app


def _routers_of_lines() -> list[Any]:
    loaders = [module.load_routers for module in lines.LINES if module.load_routers]
    return [router for load in loaders for router in load()]


def _operation_id(route: APIRoute) -> str:
    """The name of a route's function: what generated clients call it."""
    return route.name
