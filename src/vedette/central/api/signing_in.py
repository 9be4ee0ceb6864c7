"""Signing in and out, one's own password and sessions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
from fastapi import Request, Response
from pydantic import Field

from vedette.central.api.bodies import Body
from vedette.central.api.caller import COOKIE, Caller, csrf_of
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Anyone, Routes
from vedette.central.api.work import InWork, Work
from vedette.runtime.clock import SECOND
from vedette.schema.access import Right, Role
from vedette.store.state import accounts, passwords, sessions

routes = Routes("session")

Password = Annotated[str, Field(min_length=1, max_length=passwords.MAXIMUM_LENGTH)]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class Login(Body):
    """Who signs in."""

    name: Name
    password: Password


class PasswordChange(Body):
    """One's own new password."""

    current: Password
    new: Password


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who the caller is. `csrf` goes into the header X-Vedette-CSRF of every change made with a cookie."""

    account: str
    name: str
    role: Role
    tenants: list[str]
    rights: list[Right]
    via: str
    csrf: str
    must_change_password: bool


@routes.change("POST", "/login", needs=Anyone.PUBLIC, action="session.login", answers=Me)
def login(work: InWork, request: Request, body: Login) -> Response:
    """Sign in with name and password; the answer sets a cookie.

    429 with Retry-After: too many attempts from this address, or wrong passwords for this account.
    """
    work.target = body.name
    account = _authenticate(work, body)
    user_agent = request.headers.get("User-Agent", "")
    with work.deed(account) as db:
        session, secret = sessions.start(db, account, address=work.address, user_agent=user_agent, now=work.now)
        accounts.login_succeeded(db, account, now=work.now)
        found = accounts.get(db, account)
        caller = Caller(
            account=found.id,
            name=found.name,
            tenant=found.tenant,
            scope=found.scope(),
            via=f"session:{session.id}",
            csrf=csrf_of(secret),
        )
        work.sign(caller)
    me = _me(found, caller)
    response = Response(msgspec.json.encode(me), media_type="application/json")
    response.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="strict", path="/")
    return response


def _authenticate(work: Work, body: Login) -> str:
    wait = work.parts.logins.wait(work.address)
    if wait:
        raise ProblemError("too-many-logins", 429, f"try again in {wait} s", retry_after=wait)
    with work.read() as db:
        found = accounts.credentials(db, body.name)
    if found is None:
        left = work.parts.unknown_names.wait(body.name.lower())
    else:
        left = max(0, -(-(found.locked_until - work.now) // SECOND))
    if left:
        raise ProblemError("locked", 429, f"too many wrong passwords; try again in {left} s", retry_after=left)
    with hashing(work):
        right = passwords.matches(body.password, found.password_hash if found else passwords.nobody())
    if found is None or not right or found.disabled is not None:
        if found is not None and not right:
            with work.parts.state.write() as db:
                accounts.login_failed(db, found.id, now=work.now)
        raise ProblemError("login", 401, "name or password is wrong")
    return found.id


@contextmanager
def hashing(work: Work) -> Iterator[None]:
    """Wait for a turn to hash, so that many logins at once do not take all memory."""
    if not work.parts.hashing.acquire(timeout=10):
        raise ProblemError("busy", 503, "too many sign in at once", retry_after=5)
    try:
        yield
    finally:
        work.parts.hashing.release()


def _me(account: accounts.Account, caller: Caller) -> Me:
    return Me(
        account=account.id,
        name=account.name,
        role=account.role,
        tenants=account.tenants,
        rights=sorted(caller.scope.rights),
        via=caller.via,
        csrf=caller.csrf,
        must_change_password=bool(account.must_change),
    )


@routes.get("/me", needs=Anyone.SIGNING_IN, answers=Me)
def me(work: InWork) -> Me:
    """Who the caller is and what it may do."""
    with work.read() as db:
        account = accounts.get(db, work.caller.account)
    return _me(account, work.caller)


@routes.change("PUT", "/me/password", needs=Anyone.SIGNING_IN, action="account.password")
def change_password(work: InWork, body: PasswordChange) -> None:
    """Choose a new password; every other session of the account ends."""
    caller = work.caller
    problem = passwords.weakness(body.new, account=caller.name)
    if problem or body.new == body.current:
        raise ProblemError("weak-password", 422, problem or "the new password is the old one")
    _check_own_password(work, body.current)
    with hashing(work):
        password_hash = passwords.hashed(body.new)
    with work.deed(caller.account) as db:
        accounts.set_password(db, caller.account, password_hash, must_change=False)
        sessions.end_all(db, caller.account, but=caller.session)


def _check_own_password(work: Work, password: str) -> None:
    with work.read() as db:
        found = accounts.credentials_of(db, work.caller.account)
    if found.locked_until > work.now:
        left = -(-(found.locked_until - work.now) // SECOND)
        raise ProblemError("locked", 429, f"too many wrong passwords; try again in {left} s", retry_after=left)
    with hashing(work):
        right = passwords.matches(password, found.password_hash)
    if not right:
        with work.parts.state.write() as db:
            accounts.login_failed(db, found.id, now=work.now)
        raise ProblemError("wrong-password", 403, "the current password is wrong")


@routes.change("POST", "/logout", needs=Anyone.SIGNING_IN, action="session.logout")
def logout(work: InWork) -> Response:
    """End this session."""
    caller = work.caller
    if not caller.session:
        raise ProblemError("no-session", 409, "an API token has no session; revoke the token instead")
    with work.deed(caller.session) as db:
        sessions.end(db, caller.session, caller.account)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")
    return response


@routes.get("/sessions", needs=Anyone.SIGNED_IN, answers=list[sessions.Session])
def own_sessions(work: InWork) -> list[sessions.Session]:
    """List the caller's live sessions, newest first."""
    with work.read() as db:
        return sessions.of_account(db, work.caller.account, now=work.now)


@routes.change("DELETE", "/sessions/{session}", needs=Anyone.SIGNED_IN, action="session.end")
def end_session(work: InWork, session: str) -> None:
    """End one of the caller's sessions."""
    with work.deed(session) as db:
        sessions.end(db, session, work.caller.account)
