"""Who calls: a person's session (cookie) or an API token (bearer); both act within an account's scope."""

import hashlib
import hmac

import msgspec
from fastapi import Request
from sqlalchemy import Connection

from vedette.central.api.parts import Parts
from vedette.central.api.problems import ProblemError
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right, Scope
from vedette.store.state import accounts, sessions, tokens

COOKIE = "__Host-vedette"
CSRF_HEADER = "X-Vedette-CSRF"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The account that calls and what it may do here. `csrf` is empty for tokens, which need none."""

    account: str
    name: str
    tenant: str
    scope: Scope
    via: str
    must_change: bool = False
    session: str = ""
    csrf: str = ""


def identify(parts: Parts, request: Request) -> Caller:
    """Find out who calls. Raises ProblemError 401 when nobody valid does, without saying what was wrong."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE, "")
    with parts.state.read() as db:
        if kind.lower() == "bearer":
            caller, used = _by_token(db, secret.strip(), parts.clock())
        elif cookie:
            caller, used = _by_session(db, cookie, parts.clock())
        else:
            raise ProblemError("no-credentials", 401, "sign in, or send an API token")
    if parts.clock() - used > sessions.TOUCH:
        _touch(parts, caller)
    return caller


def csrf_of(secret: str) -> str:
    """Derive the word that a browser must send beside its cookie; it tells nothing of the cookie."""
    return hashlib.sha256(f"csrf {secret}".encode()).hexdigest()


def check_csrf(request: Request, caller: Caller) -> None:
    """Refuse a change that another site may have caused. Raises ProblemError 403."""
    if not caller.csrf or request.method in SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    sent = request.headers.get(CSRF_HEADER, "")
    if site not in ("same-origin", "none") or not hmac.compare_digest(sent.encode(), caller.csrf.encode()):
        raise ProblemError("csrf", 403, f"send the header {CSRF_HEADER} with the value that GET /me gives")


def _by_token(db: Connection, secret: str, now: int) -> tuple[Caller, int]:
    try:
        token = tokens.api(db, secret)
    except NotFoundError as error:
        raise _invalid() from error
    account = accounts.get(db, token.account)
    if token.revoked is not None or token.expires <= now or account.disabled is not None:
        raise _invalid()
    full = account.scope()
    known = {right.value for right in Right}
    kept = frozenset(Right(right) for right in token.rights if right in known)
    caller = Caller(
        account=account.id,
        name=account.name,
        tenant=account.tenant,
        scope=Scope(tenants=full.tenants, rights=full.rights & kept),
        via=f"token:{token.id}",
    )
    return caller, token.last_used or 0


def _by_session(db: Connection, secret: str, now: int) -> tuple[Caller, int]:
    session = sessions.of_secret(db, secret, now=now)
    if session is None:
        raise _invalid()
    account = accounts.get(db, session.account)
    if account.disabled is not None:
        raise _invalid()
    caller = Caller(
        account=account.id,
        name=account.name,
        tenant=account.tenant,
        scope=account.scope(),
        via=f"session:{session.id}",
        must_change=bool(account.must_change),
        session=session.id,
        csrf=csrf_of(secret),
    )
    return caller, session.last_used


def _touch(parts: Parts, caller: Caller) -> None:
    with parts.state.write() as db:
        if caller.session:
            sessions.touch(db, caller.session, now=parts.clock())
        else:
            tokens.api_used(db, caller.via.partition(":")[2], now=parts.clock())


def _invalid() -> ProblemError:
    return ProblemError("invalid-credentials", 401, "these credentials are not valid (any more)")
