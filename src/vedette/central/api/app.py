"""Building the API from its parts."""

from fastapi import FastAPI

from vedette.central.api import (
    alert_deeds,
    alert_stream,
    alerts,
    api_tokens,
    audit_log,
    dead_letters,
    dictionary,
    events,
    exclusions,
    health,
    host_settings,
    hosts,
    ledger,
    objects,
    openapi,
    problems,
    processes,
    releases,
    rollouts,
    routes,
    rules,
    searches,
    signing_in,
    storage,
    users,
)
from vedette.central.api.body_limit import BodyLimit
from vedette.central.api.headers import SecurityHeaders
from vedette.central.api.leaving import Leaving
from vedette.central.api.parts import Limits, Parts
from vedette.central.api.routes import Routes
from vedette.wire.limits import ARCHIVE_BYTES, OBJECT_BYTES

SUBJECTS: tuple[Routes, ...] = (
    signing_in.routes,
    api_tokens.routes,
    users.routes,
    events.routes,
    searches.routes,
    processes.routes,
    dictionary.routes,
    hosts.routes,
    host_settings.routes,
    alert_stream.routes,
    alert_deeds.routes,
    alerts.routes,
    exclusions.routes,
    rules.routes,
    ledger.routes,
    releases.routes,
    rollouts.routes,
    storage.routes,
    objects.routes,
    dead_letters.routes,
    audit_log.routes,
    health.routes,
    openapi.routes,
)
"""Every subject that the API answers to."""


def build(parts: Parts) -> FastAPI:
    """Build the application. Raises ConfigError when a route declares no right."""
    app = bare(parts.limits)
    app.state.parts = parts
    return app


def bare(limits: Limits) -> FastAPI:
    """Build the application without what it works on: enough for its description."""
    app = FastAPI(
        title="Vedette API",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    larger = {
        f"{routes.PREFIX}/releases": ARCHIVE_BYTES,
        f"{routes.PREFIX}/objects": OBJECT_BYTES,
        f"{routes.PREFIX}/rules": rules.BODY_BYTES,
    }
    app.add_middleware(BodyLimit, most=limits.body, larger=larger)
    problems.install(app)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Leaving)
    routes.install(app, SUBJECTS)
    return app
