"""How a route is declared and guarded.

Default deny: a route names the right it needs (or PUBLIC, or SIGNED_IN), and one that changes something names
its action in the audit log. The guard runs before the request's body is read.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, NamedTuple, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from vedette.central.api.caller import SAFE_METHODS, Caller, check_csrf, identify
from vedette.central.api.parts import Parts
from vedette.central.api.problems import ProblemError
from vedette.central.api.work import Work
from vedette.runtime.errors import AccessDenied, ConfigError
from vedette.schema.access import Right

PREFIX = "/api/v1"
_NOT_NOTED = ("no-credentials", "busy", "too-many-logins")
"""Refusals that say nothing of anybody's intent."""
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Anyone(Enum):
    """What a route may need instead of a right."""

    PUBLIC = "nobody needs to have signed in"
    SIGNED_IN = "any account"
    SIGNING_IN = "any account, also with a one-time password"


class Access(NamedTuple):
    """What a route declared."""

    needs: Right | Anyone
    action: str
    answers: Any
    subject: str
    media: str = ""
    """Of a body that the route reads itself."""


class Declared(NamedTuple):
    """One route before it is in an application."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    status: int


class Routes:
    """The routes of one subject."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.declared: list[Declared] = []

    def get(
        self, path: str, *, needs: Right | Anyone, answers: Any, action: str = ""
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a route that only reads."""
        return self._declare("GET", path, Access(needs, action, answers, self.subject))

    def ask(self, path: str, *, needs: Right | Anyone, answers: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare a POST that only reads: a question too long or too secret for a URL."""
        return self._declare("POST", path, Access(needs, "", answers, self.subject))

    def change(  # noqa: PLR0913 - what a route says of itself
        self,
        method: str,
        path: str,
        *,
        needs: Right | Anyone,
        action: str,
        answers: Any = None,
        status: int = 200,
        media: str = "",
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a route that changes something; `action` is its name in the audit log."""
        if not action:
            raise ConfigError(f"{method} {path} changes something and needs an action")
        access = Access(needs, action, answers, self.subject, media)
        return self._declare(method, path, access, status=204 if answers is None else status)

    def _declare(self, method: str, path: str, access: Access, *, status: int = 200) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            wrapped = _answering(endpoint, status)
            wrapped.access = access  # type: ignore[attr-defined]
            self.declared.append(Declared(method, PREFIX + path, wrapped, status))
            return endpoint

        return register


def _answering(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    """Turn what an endpoint returns (structs) into a response."""

    @functools.wraps(endpoint)
    def answer(*args: Any, **kwargs: Any) -> Response:
        value = endpoint(*args, **kwargs)
        if isinstance(value, Response):
            return value
        if value is None:
            return Response(status_code=204)
        return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")

    return answer


def access_of(route: APIRoute) -> Access:
    """Give what a route declared. Raises ConfigError when it declared nothing."""
    access = getattr(route.endpoint, "access", None)
    if not isinstance(access, Access) or not isinstance(route, GuardedRoute):
        raise ConfigError(f"the route {route.path} declares no right; nothing is served until it does")
    return access


class GuardedRoute(APIRoute):
    """A route that checks who calls before anything of the request is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the guard before FastAPI's own handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            access = access_of(self)
            parts: Parts = request.app.state.parts
            address = request.client.host if request.client else ""
            work = Work(parts, name=self.name, action=access.action, address=address)
            if access.needs is not Anyone.PUBLIC:
                work.sign(await run_in_threadpool(_identify, work, request))
            request.state.work = work
            try:
                if access.needs is not Anyone.PUBLIC:
                    _admit(access, work.caller, request)
                response = await handle(request)
            except (AccessDenied, ProblemError) as error:
                await run_in_threadpool(_note_denial, work, request, error)
                raise
            if access.action and response.status_code < 400 and not work.deeds:
                raise RuntimeError(f"{self.path} changed something and did not note it")
            return response

        return guarded


def _identify(work: Work, request: Request) -> Caller:
    try:
        return identify(work.parts, request)
    except ProblemError as error:
        _note_denial(work, request, error)
        raise


def _admit(access: Access, caller: Caller, request: Request) -> None:
    check_csrf(request, caller)
    if caller.must_change and access.needs is not Anyone.SIGNING_IN:
        raise ProblemError(
            "password-must-change",
            403,
            "this is a one-time password: choose your own first (PUT /api/v1/me/password, or `vedette login`)",
        )
    if isinstance(access.needs, Right) and not caller.scope.allows(access.needs):
        raise AccessDenied(f"this needs the right {access.needs.value}")


def _note_denial(work: Work, request: Request, error: Exception) -> None:
    """Write a denial to the audit log; a flood from one address leaves at most one each 6 seconds."""
    problem = error.problem if isinstance(error, ProblemError) else None
    word = problem.type.rpartition(":")[2] if problem else "denied"
    if (problem and problem.status not in (401, 403, 429)) or word in _NOT_NOTED:
        return
    if work.parts.denials.wait(work.address):
        return
    detail = {"method": request.method, "path": request.url.path[:200], "problem": word}
    with work.parts.state.write() as db:
        work.note(db, work.target or request.url.path, outcome="denied", detail=detail)


def install(app: FastAPI, subjects: tuple[Routes, ...]) -> None:
    """Add every declared route and refuse to go on with one that declares nothing."""
    for subject in subjects:
        for method, path, endpoint, status in subject.declared:
            access: Access = endpoint.access  # type: ignore[attr-defined]
            app.router.add_api_route(
                path,
                endpoint,
                methods=[method],
                status_code=status,
                tags=[subject.subject],
                operation_id=endpoint.__name__,
                response_model=None,
                route_class_override=GuardedRoute,
                summary=(inspect.getdoc(endpoint) or "").split("\n")[0],
                openapi_extra={"x-needs": _needs(access)},
            )
    check(app)


def check(app: FastAPI) -> None:
    """Refuse an application in which anything is reachable that declares no right. Raises ConfigError."""
    for route in app.routes:
        if not isinstance(route, APIRoute):
            raise ConfigError(f"{route!r} is not guarded; declare it with Routes")
        access = access_of(route)
        if not access.action and not (route.methods or set()) <= SAFE_METHODS | {"POST"}:
            raise ConfigError(f"{route.path} changes something and names no action")


def _needs(access: Access) -> str:
    return access.needs.value if isinstance(access.needs, Right) else access.needs.name.lower()
