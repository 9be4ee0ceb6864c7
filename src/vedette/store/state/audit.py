"""The audit log: who did what, in a chain that shows a changed, removed or added entry.

Each entry's hash covers the entry and the hash before it, under a key that is not in the database. The head
(number and hash of the newest entry) is sealed with the same key, so that entries cut off the end are missed.
What the chain cannot show is a database put back as a whole to an older copy; compare `Verification.head`
with the one seen before.
"""

import hashlib
import hmac
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, keepable, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants

_CHUNK = 2000


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `via` is the session, token or component; `outcome` is `done`, `denied`, `failed` or `begun`."""

    actor: str
    action: str
    target: str = ""
    outcome: str = "done"
    tenant: str = "default"
    via: str = ""
    address: str = ""
    detail: dict[str, str] = {}


class Entry(NewEntry, frozen=True, kw_only=True):
    """What is kept; `time` in microseconds UTC."""

    sequence: int
    time: int
    hash: str


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the log is whole: `problem` names the first bad entry, `head` is the newest entry's hash."""

    whole: bool
    entries: int
    head: str
    bad: int | None = None
    problem: str = ""


NEXT = text("UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, hash")

FIRST = text("INSERT INTO audit_head (id, sequence, hash, seal) VALUES (1, 1, '', '')")

INSERT = text("""
INSERT INTO audit (sequence, time, tenant, actor, via, address, action, target, outcome, detail, hash)
VALUES (:sequence, :time, :tenant, :actor, :via, :address, :action, :target, :outcome, :detail, :hash)
""")

SEAL = text("UPDATE audit_head SET hash = :hash, seal = :seal WHERE id = 1")


def append(db: Connection, key: bytes, entry: NewEntry, *, now: int) -> Entry:
    """Add an entry, in the transaction of what it tells of: both are kept or neither."""
    head = db.execute(NEXT).one_or_none()
    if head is None:
        db.execute(FIRST)
    sequence, previous = (1, "") if head is None else (head.sequence, head.hash)
    detail = {keepable(name): keepable(value) for name, value in entry.detail.items()}
    values: dict[str, Any] = {"sequence": sequence, "time": now, "detail": to_json(detail)}
    values |= {name: keepable(getattr(entry, name)) for name in _TEXTS}
    values["hash"] = _link(key, previous, values)
    db.execute(INSERT, values)
    db.execute(SEAL, {"hash": values["hash"], "seal": _seal(key, sequence, values["hash"])})
    return Entry(**(values | {"detail": detail}))


COVERED = (
    "sequence", "time", "tenant", "actor", "via", "address", "action", "target", "outcome", "detail",
)  # fmt: skip


_TEXTS = ("tenant", "actor", "via", "address", "action", "target", "outcome")


def _link(key: bytes, previous: str, values: dict[str, Any]) -> str:
    text_of = msgspec.json.encode([previous, *(values[name] for name in COVERED)])
    return hmac.new(key, text_of, hashlib.sha256).hexdigest()


def _seal(key: bytes, sequence: int, head: str) -> str:
    return hmac.new(key, f"head {sequence} {head}".encode(), hashlib.sha256).hexdigest()


AFTER = text("SELECT * FROM audit WHERE sequence > :after ORDER BY sequence LIMIT :limit")

HEAD = text("SELECT sequence, hash, seal FROM audit_head WHERE id = 1")


def verify(db: Connection, key: bytes) -> Verification:
    """Check every entry and the head, in one consistent view."""
    previous, sequence = "", 0
    while rows := db.execute(AFTER, {"after": sequence, "limit": _CHUNK}).all():
        for row in rows:
            problem = _problem(key, row, sequence, previous)
            if problem:
                return Verification(whole=False, entries=sequence, head=previous, bad=sequence + 1, problem=problem)
            previous, sequence = row.hash, row.sequence
    return _check_head(db, key, sequence, previous)


def _problem(key: bytes, row: Row[Any], after: int, previous: str) -> str:
    if row.sequence != after + 1:
        return f"entry {after + 1} is missing"
    if not hmac.compare_digest(row.hash, _link(key, previous, dict(row._mapping))):  # noqa: SLF001 - public
        return f"entry {row.sequence} was changed, or the audit key is another"
    return ""


def _check_head(db: Connection, key: bytes, sequence: int, last: str) -> Verification:
    head = db.execute(HEAD).one_or_none()
    if head is None:
        problem = "the log is empty, yet the first start writes an entry"
    elif not hmac.compare_digest(head.seal, _seal(key, head.sequence, head.hash)):
        problem = "the head of the log was changed"
    elif (head.sequence, head.hash) != (sequence, last):
        problem = f"the log ends at entry {sequence}, its head says {head.sequence}"
    else:
        return Verification(whole=True, entries=sequence, head=last)
    return Verification(whole=False, entries=sequence, head=last, bad=sequence + 1, problem=problem)


PAGE = text("""
SELECT * FROM audit WHERE tenant IN :tenants AND sequence < :before AND time >= :since
    AND (:actor = '' OR actor = :actor) AND (:action = '' OR action = :action)
ORDER BY sequence DESC LIMIT :limit
""").bindparams(any_of("tenants"))


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: `since` in microseconds UTC; an empty text means any."""

    since: int = 0
    actor: str = ""
    action: str = ""
    before: int = 2**62


def page(db: Connection, scope: Scope, chosen: Filter, *, limit: int = 100) -> list[Entry]:
    """List entries of the caller's tenants, newest first, those before number `chosen.before`."""
    values = msgspec.structs.asdict(chosen) | {"tenants": tenants(scope, Right.AUDIT_READ), "limit": limit}
    return to_structs(db.execute(PAGE, values), Entry, json=("detail",))


ONE = text("SELECT * FROM audit WHERE sequence = :sequence")


def get(db: Connection, sequence: int) -> Entry:
    """Give entry number `sequence`; there must be one."""
    return to_struct(db.execute(ONE, {"sequence": sequence}).one(), Entry, json=("detail",))
