"""The caller's own API tokens, for the command line and other programs."""

from typing import Annotated

import msgspec
from pydantic import Field

from vedette.central.api.bodies import Body
from vedette.central.api.routes import Anyone, Routes
from vedette.central.api.work import InWork
from vedette.runtime.clock import DAY
from vedette.runtime.errors import AccessDenied
from vedette.store.state import tokens
from vedette.store.state.tokens import ApiToken

routes = Routes("api tokens")


class NewApiToken(Body):
    """A token to make. `rights` must be among the caller's; none named = all of them."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    rights: Annotated[list[str], Field(default_factory=list, max_length=100)]
    days: Annotated[int, Field(ge=1, le=365)] = 90


class MadeApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; `secret` is its text, which is shown only now."""

    token: ApiToken
    secret: str


@routes.get("/api-tokens", needs=Anyone.SIGNED_IN, answers=list[ApiToken])
def api_tokens(work: InWork) -> list[ApiToken]:
    """List the caller's API tokens, newest first."""
    with work.read() as db:
        return tokens.api_of(db, work.caller.account)


@routes.change(
    "POST", "/api-tokens", needs=Anyone.SIGNED_IN, action="api_token.create", answers=MadeApiToken, status=201
)
def create_api_token(work: InWork, body: NewApiToken) -> MadeApiToken:
    """Make an API token that may do what the caller may, or a named part of it."""
    held = {right.value for right in work.scope.rights}
    rights = set(body.rights) or held
    if not rights <= held:
        raise AccessDenied(f"you do not have these rights yourself: {', '.join(sorted(rights - held))}")
    with work.deed(body.name, rights=" ".join(sorted(rights)), days=str(body.days)) as db:
        token, secret = tokens.create_api(
            db, work.caller.account, name=body.name, rights=rights, now=work.now, valid=body.days * DAY
        )
    return MadeApiToken(token=token, secret=secret)


@routes.change("DELETE", "/api-tokens/{token}", needs=Anyone.SIGNED_IN, action="api_token.revoke")
def revoke_api_token(work: InWork, token: str) -> None:
    """End one of the caller's API tokens."""
    with work.deed(token) as db:
        tokens.revoke_api(db, token, work.caller.account, now=work.now)
