"""Which hosts have fallen silent: hosts and open alerts in, alerts to raise and to close out. Pure.

A host is *ripe* when it has been silent for its group's limit, and *quiet* a little earlier: hosts that lost
their network together cross the limit one after another, since their signs of life are not in step, and must
be seen as one before the first of them gets an alert of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from vedette.runtime.clock import DAY, MINUTE, SECOND
from vedette.schema.alerts import Alert, AlertStatus, NewAlert, Severity, Technology
from vedette.schema.policies import Settings
from vedette.store.state.silence import Watched

HOST, MANY = "silent_host", "many_silent_hosts"
"""Rules of the two alerts."""
FORGOTTEN = 30 * DAY
"""A host silent for longer does not fall silent any more: an upgrade must not accuse what left long ago."""
MANY_LEAST = 5
"""So few hosts are told one by one, whatever share they are."""


class Verdict(msgspec.Struct, frozen=True):
    """What to do now."""

    raised: list[NewAlert]
    closed: list[tuple[str, str]]
    """Alert id, and why it closes by itself."""


class Limits(msgspec.Struct, frozen=True):
    """When a host of a group is quiet and when it is ripe; microseconds of silence, `ripe` 0 = never."""

    quiet: int
    ripe: int


def limits(settings: Settings) -> Limits:
    """Give a group's limits; never so short that one lost sign of life is a silence."""
    if settings.silent_after == 0:
        return Limits(0, 0)
    spread = settings.heartbeat * SECOND + MINUTE  # the state hears of a sign of life once a minute
    ripe = max(settings.silent_after * SECOND, 3 * spread)
    return Limits(ripe - spread, ripe)


def judge(
    hosts: Sequence[Watched],
    *,
    of_group: Mapping[tuple[str, str], Limits],
    open_hosts: Iterable[Alert],
    latest_many: Mapping[str, Alert],
    listening: int,
    now: int,
) -> Verdict:
    """Say what to raise and what to close. Nobody is silent for longer than ingest has been `listening`."""
    verdict = Verdict([], [])
    by_id = {host.id: host for host in hosts}
    for alert in open_hosts:
        if note := _over(alert, by_id.get(alert.host)):
            verdict.closed.append((alert.id, note))
    tenants: dict[str, list[Watched]] = defaultdict(list)
    for host in hosts:
        limit = of_group.get((host.tenant, host.group))
        if host.stopped is None and not host.told and limit is not None and limit.ripe:
            tenants[host.tenant].append(host)
    for tenant in {*tenants, *latest_many}:
        silences = [_Silence(host, of_group[host.tenant, host.group], listening, now) for host in tenants[tenant]]
        _judge_tenant(silences, latest_many.get(tenant), verdict)
    return verdict


class _Silence:
    def __init__(self, host: Watched, limit: Limits, listening: int, now: int) -> None:
        silent = now - max(host.last_seen, listening)
        self.host, self.limit = host, limit
        self.quiet, self.ripe = silent >= limit.quiet, silent >= limit.ripe


def _judge_tenant(silences: list[_Silence], latest: Alert | None, verdict: Verdict) -> None:
    quiet = [one.host for one in silences if one.quiet]
    ripe = [one for one in silences if one.ripe]
    many = len(quiet) >= MANY_LEAST and 2 * len(quiet) > len(silences)
    if latest is not None and latest.status is not AlertStatus.CLOSED:
        if many:
            return
        verdict.closed.append((latest.id, f"{len(quiet)} of {len(silences)} hosts are still silent"))
    elif many:
        # A person closed the alert: these are the same hosts, silent since before it.
        if ripe and (latest is None or 2 * sum(host.last_seen > latest.raised for host in quiet) > len(quiet)):
            verdict.raised.append(_many(quiet, len(silences)))
        return
    verdict.raised.extend(_silent(one) for one in ripe)


def _over(alert: Alert, host: Watched | None) -> str:
    """Why the alert of a silent host is over; empty = it is not."""
    if host is None:
        return "the host was revoked, or has been silent for so long that it is given up"
    if host.last_seen <= alert.last:
        return ""
    return "the host stopped in order" if host.stopped is not None else "the host speaks again"


def _silent(one: _Silence) -> NewAlert:
    host = one.host
    return NewAlert(
        tenant=host.tenant,
        technology=Technology.HEALTH,
        rule=HOST,
        title=f"{host.hostname or host.id} has fallen silent",
        severity=Severity.MEDIUM,
        host=host.id,
        why={
            "host.name": host.hostname,
            "last sign of life": _moment(host.last_seen),
            "limit of its group": f"{one.limit.ripe // SECOND} s",
        },
        first=host.last_seen,
        last=host.last_seen,
    )


def _many(quiet: list[Watched], expected: int) -> NewAlert:
    first, last = min(host.last_seen for host in quiet), max(host.last_seen for host in quiet)
    names = sorted(host.hostname or host.id for host in quiet)
    return NewAlert(
        tenant=quiet[0].tenant,
        technology=Technology.HEALTH,
        rule=MANY,
        title=f"{len(quiet)} of {expected} hosts fell silent together: look at the Central Node's network first",
        severity=Severity.HIGH,
        why={
            "silent hosts": str(len(quiet)),
            "expected hosts": str(expected),
            "last signs of life": f"{_moment(first)} to {_moment(last)}",
            "some of them": ", ".join(names[:20]),
        },
        first=first,
        last=last,
        count=len(quiet),
    )


def _moment(micros: int) -> str:
    return datetime.fromtimestamp(micros // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
