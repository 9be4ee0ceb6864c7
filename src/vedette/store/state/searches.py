"""Searches that people keep: each has an owner, and is seen by the owner alone or by the whole tenant."""

import secrets
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, TextClause, text
from sqlalchemy.exc import IntegrityError

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, to_json
from vedette.store.state.scoping import tenants

MOST = 1_000
"""Searches of one owner."""


class NewSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept. `since` and `until` as they are asked with: `24h`, `today`, a moment; "" = as a search has it."""

    name: str
    query: str
    language: str
    since: str
    until: str
    columns: list[str]
    shared: bool


class SavedSearch(NewSearch, frozen=True, kw_only=True):
    """A search that is kept; times in microseconds UTC. `version` grows with each change."""

    id: str
    tenant: str
    owner: str
    owner_name: str
    version: int
    created: int
    changed: int


class Person(msgspec.Struct, frozen=True):
    """An account, and what it may see."""

    account: str
    name: str
    scope: Scope


COLUMNS = (
    "id, tenant, owner, owner_name, name, language, query, since, until, columns, shared, version, created, changed"
)

SEEN = "tenant IN :tenants AND (owner = :owner OR shared = 1)"

GET = text(f"SELECT {COLUMNS} FROM saved_search WHERE id = :id AND {SEEN}").bindparams(any_of("tenants"))  # noqa: S608

PAGE = text(f"""
SELECT {COLUMNS} FROM saved_search
WHERE {SEEN} AND (:name = '' OR name = :name) AND (name > :after_name OR (name = :after_name AND id > :after_id))
ORDER BY name, id LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant

COUNT = text("SELECT count(*) FROM saved_search WHERE owner = :owner")

INSERT = text("""
INSERT INTO saved_search (id, tenant, owner, owner_name, name, language, query, since, until, columns, shared, version,
    created, changed)
VALUES (:id, :tenant, :owner, :owner_name, :name, :language, :query, :since, :until, :columns, :shared, 1, :now, :now)
""")

UPDATE = text("""
UPDATE saved_search SET name = :name, language = :language, query = :query, since = :since, until = :until,
    columns = :columns, shared = :shared, version = version + 1, changed = :now
WHERE id = :id
""")

DELETE = text("DELETE FROM saved_search WHERE id = :id")


def page(
    db: Connection, person: Person, *, name: str = "", after: tuple[str, str] = ("", ""), limit: int = 100
) -> list[SavedSearch]:
    """List what the person sees, by name; `name`: only those of this name."""
    values = {"name": name, "after_name": after[0], "after_id": after[1], "limit": limit}
    return [_read(row) for row in db.execute(PAGE, _seen(person) | values)]


def get(db: Connection, search: str, person: Person) -> SavedSearch:
    """Give one. Raises NotFoundError when it is not there or not the person's to see."""
    row = db.execute(GET, _seen(person) | {"id": search}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no saved search {search}")
    return _read(row)


def create(db: Connection, new: NewSearch, person: Person, *, tenant: str, now: int) -> SavedSearch:
    """Keep a search. Raises ConfigError when the owner has one of this name, or too many."""
    if db.execute(COUNT, {"owner": person.account}).scalar_one() >= MOST:
        raise ConfigError(f"you keep {MOST:,} searches already; delete some")
    values = {"id": secrets.token_hex(16), "tenant": tenant, "owner": person.account, "owner_name": person.name}
    _named(db, INSERT, _values(new) | values | {"now": now}, new.name)
    return get(db, values["id"], person)


def replace(db: Connection, search: str, new: NewSearch, person: Person, *, now: int) -> SavedSearch:
    """Change a search of one's own. Raises NotFoundError, ConfigError."""
    held = get(db, search, person)
    if held.owner != person.account:
        raise ConfigError(f"the search belongs to {held.owner_name}; save one of your own")
    _named(db, UPDATE, _values(new) | {"id": search, "now": now}, new.name)
    return get(db, search, person)


def remove(db: Connection, search: str, person: Person) -> SavedSearch:
    """Delete a search of one's own, or, with the right to manage users, a shared one. Gives what it was."""
    held = get(db, search, person)
    if held.owner != person.account and not person.scope.allows(Right.USERS_MANAGE):
        raise ConfigError(f"the search belongs to {held.owner_name}")
    db.execute(DELETE, {"id": search})
    return held


def _seen(person: Person) -> dict[str, object]:
    return {"tenants": tenants(person.scope, Right.EVENTS_READ), "owner": person.account}


def _values(new: NewSearch) -> dict[str, object]:
    return msgspec.structs.asdict(new) | {"columns": to_json(new.columns), "shared": int(new.shared)}


def _named(db: Connection, statement: TextClause, values: dict[str, object], name: str) -> None:
    """Run a statement that gives a search its name, which only one of an owner may have."""
    try:
        with db.begin_nested():
            db.execute(statement, values)
    except IntegrityError as error:
        raise ConfigError(f"you keep a search {name!r} already; change or delete it") from error


def _read(row: Row[Any]) -> SavedSearch:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values |= {"columns": msgspec.json.decode(values["columns"]), "shared": bool(values["shared"])}
    return msgspec.convert(values, SavedSearch)
