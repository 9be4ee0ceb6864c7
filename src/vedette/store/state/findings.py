"""Findings of engines: each rule's finding in an event is kept once, and belongs to one alert."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.access import Scope
from vedette.schema.alerts import Finding, NewAlert, NewFinding
from vedette.store.state import alerts
from vedette.store.state.rows import any_of, keepable, to_json, to_structs

KEPT = 1_000
"""Findings kept of one alert; the rest is in its count only: a rule that matches everything must not fill the disk."""
CHAINS = 200
"""Alerts that a host may have raised within `alerts.JOINED` before its chains of processes are not told apart any
more: ids of processes come from the host, which may be in an attacker's hands."""
_USERS = 20
_AT_ONCE = 500

Key = tuple[str, str, str, str, str]


def keep(db: Connection, found: Iterable[NewFinding], *, now: int) -> list[str]:
    """Add findings to the alerts they belong to, raising those that are missing; gives the ids of the alerts.

    What was kept before is left out, so telling it again changes nothing.
    """
    told: list[str] = []
    for group in _groups(db, found, now=now):
        fresh = _unknown(db, group)
        if fresh:
            told.append(_add(db, fresh, now=now))
    return told


def _groups(db: Connection, found: Iterable[NewFinding], *, now: int) -> Iterator[list[NewFinding]]:
    crowded: dict[str, bool] = {}

    def key(one: NewFinding) -> Key:
        if one.host not in crowded:
            crowded[one.host] = _is_crowded(db, one.host, now=now)
        chain = "" if crowded[one.host] else one.chain
        return one.tenant, one.technology.value, one.rule, one.host, chain

    keyed = sorted(((key(one), one) for one in found), key=lambda pair: pair[0])
    for (*_, chain), group in groupby(keyed, key=lambda pair: pair[0]):
        yield [one if one.chain == chain else msgspec.structs.replace(one, chain="") for _, one in group]


RAISED = text("SELECT count(*) FROM alert WHERE host = :host AND raised >= :since")


def _is_crowded(db: Connection, host: str, *, now: int) -> bool:
    raised: int = db.execute(RAISED, {"host": host, "since": now - alerts.JOINED}).scalar_one()
    return raised >= CHAINS


KNOWN = text("""
SELECT event FROM finding WHERE technology = :technology AND rule = :rule AND event IN :events
""").bindparams(any_of("events"))


def _unknown(db: Connection, group: Sequence[NewFinding]) -> list[NewFinding]:
    by_event = {one.event: one for one in group}
    events = list(by_event)
    for at in range(0, len(events), _AT_ONCE):
        values = {"technology": group[0].technology.value, "rule": group[0].rule, "events": events[at : at + _AT_ONCE]}
        for row in db.execute(KNOWN, values):
            del by_event[row.event]
    return list(by_event.values())


ADD = text("""
INSERT INTO finding (technology, rule, event, alert, tenant, host, time, because)
VALUES (:technology, :rule, :event, :alert, :tenant, :host, :time, :because)
""")

DESCRIBED = text("SELECT kept, users, tactics, techniques, advice FROM alert WHERE id = :alert")

DESCRIBE = text("""
UPDATE alert SET kept = :kept, users = :users, tactics = :tactics, techniques = :techniques, advice = :advice
WHERE id = :alert
""")


def _add(db: Connection, fresh: Sequence[NewFinding], *, now: int) -> str:
    """Raise or join the alert of findings of one key."""
    first = fresh[0]
    times = [one.time for one in fresh]
    new = NewAlert(
        tenant=first.tenant,
        technology=first.technology,
        rule=first.rule,
        title=first.title,
        severity=first.severity,
        host=first.host,
        chain=first.chain,
        why=first.because,
        first=min(times),
        last=max(times),
        count=len(fresh),
    )
    alert = alerts.raise_alert(db, new, now=now)
    before = db.execute(DESCRIBED, {"alert": alert}).one()
    room = fresh[: max(0, KEPT - before.kept)]
    if room:
        db.execute(ADD, [_row(one, alert) for one in room])
    values = {
        "alert": alert,
        "kept": before.kept + len(room),
        "users": _joined(before.users, (user for one in fresh for user in one.users), most=_USERS),
        "tactics": _joined(before.tactics, first.tactics),
        "techniques": _joined(before.techniques, first.techniques),
        "advice": before.advice or keepable(first.advice),
    }
    db.execute(DESCRIBE, values)
    return alert


def _row(one: NewFinding, alert: str) -> dict[str, object]:
    return {
        "technology": one.technology.value,
        "rule": one.rule,
        "event": one.event,
        "alert": alert,
        "tenant": one.tenant,
        "host": one.host,
        "time": one.time,
        "because": keepable(to_json(one.because)),
    }


def _joined(before: str, more: Iterable[str], *, most: int = 100) -> str:
    """Add words to a list in JSON, as long as there is room."""
    words = dict.fromkeys(msgspec.json.decode(before, type=list[str]))
    for word in more:
        if len(words) >= most:
            break
        words[keepable(word)] = None
    return to_json(list(words))


OF_ALERT = text("""
SELECT event, host, time, because FROM finding
WHERE alert = :alert AND (time > :after OR (time = :after AND event > :after_event))
ORDER BY time, event LIMIT :limit
""")


def of_alert(
    db: Connection, alert: str, scope: Scope, *, after: tuple[int, str] = (-(2**62), ""), limit: int
) -> list[Finding]:
    """Give an alert's findings by event time, those after the (time, event) `after`. Raises NotFoundError."""
    alerts.get(db, alert, scope)
    values = {"alert": alert, "after": after[0], "after_event": after[1], "limit": limit}
    return to_structs(db.execute(OF_ALERT, values), Finding, json=("because",))
