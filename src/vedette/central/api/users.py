"""Accounts of people, managed by an administrator."""

from typing import Annotated

import msgspec
from pydantic import Field

from vedette.central.api.bodies import Body
from vedette.central.api.routes import Routes
from vedette.central.api.signing_in import hashing
from vedette.central.api.work import InWork, Work
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import RIGHTS, Right, Role
from vedette.store.state import accounts, passwords, sessions, tokens
from vedette.store.state.accounts import Account

routes = Routes("users")


class NewUser(Body):
    """An account to make; its one-time password comes with the answer."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    role: str
    tenants: Annotated[list[str], Field(default_factory=list, max_length=100)]


class UserChange(Body):
    """What changes; what is absent stays."""

    role: str | None = None
    tenants: Annotated[list[str], Field(min_length=1, max_length=100)] | None = None
    disabled: bool | None = None


class MadeUser(msgspec.Struct, frozen=True, kw_only=True):
    """An account and its one-time password, which is shown only now."""

    user: Account
    password: str


class RoleRights(msgspec.Struct, frozen=True, kw_only=True):
    """What a role may do."""

    role: Role
    rights: list[Right]


@routes.get("/roles", needs=Right.USERS_READ, answers=list[RoleRights])
def roles(_work: InWork) -> list[RoleRights]:
    """List the roles and their rights."""
    return [RoleRights(role=role, rights=sorted(rights)) for role, rights in RIGHTS.items()]


@routes.get("/users", needs=Right.USERS_READ, answers=list[Account])
def users(work: InWork) -> list[Account]:
    """List the accounts of the caller's tenants by name."""
    with work.read() as db:
        return accounts.visible(db, work.scope)


@routes.change("POST", "/users", needs=Right.USERS_MANAGE, action="user.create", answers=MadeUser, status=201)
def create_user(work: InWork, body: NewUser) -> MadeUser:
    """Make an account with a one-time password, to be changed at the first login."""
    role = _role(body.role)
    tenants = sorted({work.tenant(name) for name in body.tenants} or {work.tenant()})
    password, password_hash = _one_time(work)
    with work.deed(body.name.lower(), role=role.value, tenants=" ".join(tenants)) as db:
        user = accounts.create(db, body.name, role=role, password_hash=password_hash, now=work.now, tenants=tenants)
    return MadeUser(user=user, password=password)


@routes.change("PATCH", "/users/{user}", needs=Right.USERS_MANAGE, action="user.change", answers=Account)
def change_user(work: InWork, user: str, body: UserChange) -> Account:
    """Change role or tenants, disable or enable; a disabled account's sessions end at once."""
    before = _visible(work, user)
    role = _role(body.role) if body.role else before.role
    tenants = [work.tenant(name) for name in body.tenants] if body.tenants else before.tenants
    with work.deed(before.name, **{key: str(value) for key, value in body.model_dump(exclude_none=True).items()}) as db:
        accounts.set_role(db, user, role, tenants)
        if body.disabled:
            accounts.disable(db, user, now=work.now)
            sessions.end_all(db, user)
        elif body.disabled is False:
            accounts.enable(db, user)
        return accounts.get(db, user)


@routes.change(
    "POST", "/users/{user}/password", needs=Right.USERS_MANAGE, action="user.reset_password", answers=MadeUser
)
def reset_password(work: InWork, user: str) -> MadeUser:
    """Give the account a new one-time password; its sessions end and its API tokens are revoked."""
    before = _visible(work, user)
    password, password_hash = _one_time(work)
    with work.deed(before.name) as db:
        accounts.set_password(db, user, password_hash, must_change=True)
        sessions.end_all(db, user)
        tokens.revoke_all_api(db, user, now=work.now)
        return MadeUser(user=accounts.get(db, user), password=password)


def _one_time(work: Work) -> tuple[str, str]:
    """Draw a one-time password; gives it and its hash."""
    password = passwords.one_time()
    with hashing(work):
        return password, passwords.hashed(password)


def _visible(work: Work, user: str) -> Account:
    with work.read() as db:
        found = [account for account in accounts.visible(db, work.scope) if account.id == user]
    if not found:
        raise NotFoundError(f"there is no account {user}")
    return found[0]


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError as error:
        known = ", ".join(role.value for role in Role)
        raise ConfigError(f"there is no role {name}; there are {known}") from error
