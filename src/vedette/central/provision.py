"""Making a data directory fit for use: keys, certificates, tables, and at the first start the accounts."""

import tomllib

import msgspec
from sqlalchemy import Connection

from vedette.central import pki
from vedette.central.layout import Layout
from vedette.central.settings import CentralSettings, split_address, state_url
from vedette.runtime.clock import DAY
from vedette.runtime.files import write_atomic
from vedette.schema.access import RIGHTS, Role
from vedette.schema.fields import Micros
from vedette.schema.policies import Settings, SignedSettings
from vedette.schema.signed import PinnedKeys
from vedette.store.objects import KEY_BYTES
from vedette.store.state import State, accounts, audit, groups, migrate, open_state, settings, tokens
from vedette.wire.signature import key_id
from vedette.wire.tls import FINGERPRINT_DIGITS

TENANT = GROUP = "default"
FIRST_TOKEN_USES = 10
API_TOKEN_LIFE = 365 * DAY


class FirstStart(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown once, at the first start, and kept nowhere in clear (but `api_token` in client.toml)."""

    administrator: str
    password: str
    api_token: str
    enrolment_token: str


def provision(layout: Layout, chosen: CentralSettings, *, now: Micros) -> FirstStart | None:
    """Make what is missing, upgrade what is old; gives the first secrets when there were no accounts.

    Raises ConfigError or StoreError.
    """
    layout.create()
    authority = pki.ensure_authority(layout.ca_key, layout.ca_certificate, now=now)
    names = [*chosen.names, *_listened_names(chosen)]
    pki.ensure_server_certificate(layout.server_certificate, authority, names, now=now)
    for path in (layout.settings_key, layout.audit_key, layout.tasks_key, layout.updates_key):
        pki.ensure_signing_key(path)
    pki.ensure_secret(layout.objects_key, KEY_BYTES)
    url = state_url(layout, chosen)
    migrate(url)
    state = open_state(url)
    try:
        first = _first_accounts(state, layout, pin=authority.fingerprint[:FINGERPRINT_DIGITS], now=now)
    finally:
        state.close()
    if first is not None:
        write_client_config(layout, url=f"https://{chosen.listen_api}", token=first.api_token)
    return first


def write_client_config(layout: Layout, *, url: str, token: str) -> None:
    """Write what the first administrator's command line needs: where, whom to trust, and the token."""
    lines = (f"{name} = {msgspec.json.encode(value).decode()}" for name, value in _client(layout, url, token).items())
    write_atomic(layout.client_config, ("\n".join(lines) + "\n").encode())


def update_client_config(layout: Layout, *, url: str) -> None:
    """Bring the URL up to date: the port may have been chosen by the system."""
    if not layout.client_config.exists():
        return
    held = tomllib.loads(layout.client_config.read_text(encoding="utf-8"))
    if held.get("url") != url and isinstance(held.get("token"), str):
        write_client_config(layout, url=url, token=held["token"])


def _client(layout: Layout, url: str, token: str) -> dict[str, str]:
    return {"url": url, "ca": str(layout.ca_certificate), "token": token}


def _listened_names(chosen: CentralSettings) -> list[str]:
    """Give the hosts that are listened on, but for those that mean every address."""
    hosts = {split_address(address)[0] for address in (chosen.listen_ingest, chosen.listen_api)}
    return sorted(hosts - {"0.0.0.0", "::", *pki.ALWAYS_NAMED})  # noqa: S104 - not bound here


def _first_accounts(state: State, layout: Layout, *, pin: str, now: Micros) -> FirstStart | None:
    key = pki.load_signing_key(layout.settings_key)

    def sign(body: bytes) -> SignedSettings:
        return SignedSettings(body=body, signature=key.sign(body), key_id=key_id(key.public_key()))

    with state.write() as db:
        groups.ensure(db, TENANT, GROUP, now=now, description="Hosts that were put into no other group")
        _hand_out_keys(db, pki.pinned_keys(layout.pinned_keys), sign=sign, now=now)
        made = accounts.first_administrator(db, now=now)
        if made is None:
            return None
        account, password = made
        rights = [right.value for right in RIGHTS[Role.ADMINISTRATOR]]
        _, api_token = tokens.create_api(
            db, account.id, name="first administrator", rights=rights, now=now, valid=API_TOKEN_LIFE
        )
        wanted = tokens.NewEnrolment(tenant=TENANT, group=GROUP, uses=FIRST_TOKEN_USES, created_by="central")
        enrolment = tokens.create_enrolment(db, wanted, now=now)
        entry = audit.NewEntry(actor="central", action="account.create", target=account.name)
        audit.append(db, layout.audit_key.read_bytes(), entry, now=now)
    return FirstStart(
        administrator=account.name,
        password=password,
        api_token=api_token,
        enrolment_token=f"{enrolment}.{pin}",
    )


def _hand_out_keys(db: Connection, keys: PinnedKeys, *, sign: settings.Sign, now: Micros) -> None:
    """See that every settings document carries the keys: agents that were enrolled before pin them from there."""
    if settings.current(db, TENANT, GROUP) is None:
        first = Settings(group=GROUP, keys=keys)
        settings.publish(db, first, tenant=TENANT, sign=sign, now=now, created_by="central")
    for document in settings.all_current(db):
        held = document.settings()
        if held.keys != keys:
            wanted = msgspec.structs.replace(held, keys=keys)
            settings.publish(db, wanted, tenant=document.tenant, sign=sign, now=now, created_by="central")
