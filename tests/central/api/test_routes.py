"""Default deny: every route, every role, and nobody."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.central.api.conftest import Api

from vedette.central.api import routes
from vedette.central.api.app import bare
from vedette.central.api.parts import Limits
from vedette.central.api.routes import Access, Anyone, Routes, access_of
from vedette.runtime.errors import ConfigError
from vedette.schema.access import RIGHTS, Right, Role

SERVED = [route for route in bare(Limits()).routes if isinstance(route, APIRoute)]
IDS = [f"{min(route.methods or ['?'])} {route.path}" for route in SERVED]


@pytest.fixture
def limits() -> Limits:
    """Let nobody listen: that answer would not end."""
    return Limits(streams=0)


def call(client: httpx.Client, route: APIRoute) -> httpx.Response:
    """Call a route with a body that is no use."""
    path = route.path.removeprefix("/api/v1").replace("{", "").replace("}", "")
    method = min(route.methods or ["GET"])
    with client.stream(method, path, json={} if method in {"POST", "PUT", "PATCH"} else None) as answer:
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):  # which does not end
            answer.read()
    return answer


def test_nobody_gets_past_any_route_that_is_not_public(api: Api) -> None:
    client = api.client()
    for route in SERVED:
        answer = call(client, route)
        if access_of(route).needs is Anyone.PUBLIC:
            assert answer.status_code not in {401, 403}, route.path
        else:
            assert answer.status_code == 401, route.path
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:vedette:problem:no-credentials"


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_through_exactly_where_its_rights_are(api: Api, role: Role) -> None:
    client = api.caller(role)
    allowed: dict[str, bool] = {}
    for route in SERVED:
        access = access_of(route)
        if not isinstance(access.needs, Right):
            continue
        api.clock.now += 10_000_000
        answer = call(client, route)
        denied = answer.status_code == 403 and answer.json()["type"].endswith(":denied")
        allowed[f"{answer.request.method} {route.path}"] = not denied
        assert denied is (access.needs not in RIGHTS[role]), (route.path, answer.text)
    assert any(allowed.values())
    denials = [entry for entry in api.audited() if entry.outcome == "denied"]
    assert len(denials) == list(allowed.values()).count(False)
    assert all(entry.actor == f"{role.value}-default" for entry in denials)


@pytest.mark.parametrize("route", SERVED, ids=IDS)
def test_what_changes_something_has_an_action(route: APIRoute) -> None:
    access = access_of(route)
    if not (route.methods or set()) <= {"GET", "POST"}:
        assert access.action
    assert (access.answers is None) is (route.status_code == 204)
    assert route.summary


def test_actions_and_operations_are_told_apart() -> None:
    operations = [route.operation_id for route in SERVED]
    assert len(set(operations)) == len(operations)


def test_a_route_without_a_declaration_is_not_served() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/open")
    def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(ConfigError, match="declares no right"):
        routes.check(app)


def test_a_mount_is_not_served() -> None:
    app = FastAPI(openapi_url=None)
    app.mount("/files", FastAPI(openapi_url=None))
    with pytest.raises(ConfigError, match="not guarded"):
        routes.check(app)


def test_a_change_without_an_action_cannot_be_declared() -> None:
    with pytest.raises(ConfigError, match="needs an action"):
        Routes("test").change("POST", "/x", needs=Right.HOSTS_READ, action="")


def test_a_guarded_route_whose_declaration_was_lost_stays_shut() -> None:
    app = FastAPI(openapi_url=None)
    declared = Routes("test")

    @declared.get("/x", needs=Right.HOSTS_READ, answers=dict[str, str])
    def answer() -> dict[str, str]:
        """Answer."""
        return {}

    routes.install(app, (declared,))
    route = app.routes[0]
    assert isinstance(route, APIRoute)
    assert access_of(route) == Access(Right.HOSTS_READ, "", dict[str, str], "test")
    del route.endpoint.access  # type: ignore[attr-defined]
    with pytest.raises(ConfigError):
        routes.check(app)
