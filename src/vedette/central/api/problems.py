"""Errors as RFC 9457 problems: a stable type, a title, a sentence, and what helps to do better."""

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.query.statement import LIMIT_CODES
from vedette.runtime.errors import (
    AccessDenied,
    ConfigError,
    IdentityError,
    NotFoundError,
    QueryError,
    StoreError,
    VedetteError,
)

_LOG = logging.getLogger(__name__)
_PREFIX = "urn:vedette:problem:"
MEDIA_TYPE = "application/problem+json"


class InvalidPart(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in a request that is not as declared; `where` is a path like `body.limit`."""

    where: str
    problem: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `position` and `suggestions` come with a query that cannot be understood."""

    type: str
    title: str
    status: int
    detail: str = ""
    trace: str = ""
    errors: tuple[InvalidPart, ...] = ()
    offset: int | None = None
    line: int | None = None
    column: int | None = None
    suggestions: tuple[str, ...] = ()


class ProblemError(VedetteError):
    """A request that is refused with this problem."""

    def __init__(self, word: str, status: int, detail: str, *, retry_after: int = 0) -> None:
        self.problem = Problem(type=_PREFIX + word, title=HTTPStatus(status).phrase, status=status, detail=detail)
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}
        super().__init__(detail)


_KINDS: tuple[tuple[type[VedetteError], str, int], ...] = (
    (QueryError, "query", 400),
    (IdentityError, "identity", 401),
    (AccessDenied, "denied", 403),
    (NotFoundError, "not-found", 404),
    (ConfigError, "conflict", 409),
    (StoreError, "store-unavailable", 503),
)


def problem_of(error: VedetteError) -> Problem:
    """Give the problem that tells a caller of `error`."""
    if isinstance(error, ProblemError):
        return error.problem
    word, status = next(((word, status) for kind, word, status in _KINDS if isinstance(error, kind)), ("refused", 400))
    problem = Problem(type=_PREFIX + word, title=HTTPStatus(status).phrase, status=status, detail=str(error))
    if isinstance(error, QueryError):
        problem = msgspec.structs.replace(
            problem,
            detail=error.problem,
            offset=error.offset,
            line=error.line,
            column=error.column,
            suggestions=error.suggestions,
        )
    return problem


def reply(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Write a problem as a response."""
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def install(app: FastAPI) -> None:
    """Make every error that leaves a route a problem."""
    app.add_exception_handler(VedetteError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Boundary)


def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, VedetteError):
        raise error
    problem = problem_of(error)
    if isinstance(error, StoreError):
        # What a database says of itself is for the log, not for the caller.
        limit = LIMIT_CODES.get(getattr(error, "code", 0))
        if limit:
            detail = f"this met the limit of {limit}; ask for less: a shorter time, a narrower query"
            return reply(ProblemError("limit", 503, detail).problem)
        _LOG.error("store refused: %s", error)
        problem = msgspec.structs.replace(problem, detail="the store cannot answer now; see the server's log")
        return reply(problem, {"Retry-After": "5"})
    return reply(problem, error.headers if isinstance(error, ProblemError) else None)


def _invalid(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    parts = tuple(
        InvalidPart(where=".".join(str(step) for step in one["loc"]), problem=str(one["msg"]))
        for one in error.errors()[:20]
    )
    detail = "; ".join(f"{part.where}: {part.problem}" for part in parts)
    return reply(
        Problem(type=_PREFIX + "invalid", title="Unprocessable Content", status=422, detail=detail, errors=parts)
    )


def _http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return reply(problem_of_http(error), error.headers)


def problem_of_http(error: HTTPException) -> Problem:
    """Give the problem of an error that the framework found."""
    title = HTTPStatus(error.status_code).phrase
    word = "too-large" if error.status_code == 413 else title.lower().replace(" ", "-")
    return Problem(type=_PREFIX + word, title=title, status=error.status_code, detail=str(error.detail))


class Boundary:
    """The supervisor of requests: what nothing else handled is logged under a trace and told as a problem.

    A response that has begun (an export) is cut instead, so that nobody takes a part for the whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def noticing(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await _fault(scope, error)(scope, receive, send)


def _fault(scope: Scope, error: Exception) -> Response:
    trace = secrets.token_hex(8)
    _LOG.error("%s %s failed trace=%s", scope["method"], scope["path"], trace, exc_info=error)
    detail = f"this is a fault of the server; its log has it under {trace}"
    return reply(Problem(type=_PREFIX + "fault", title="Internal Server Error", status=500, detail=detail, trace=trace))
