"""How long events stay: which days of which tenants are to go, and when the next ones will. Pure.

A tenant's day is one partition of the event table, so removing it frees its bytes at once, also on a full disk.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from vedette.runtime.clock import DAY, HOUR
from vedette.store.parts import Parts

HORIZON = 366
"""Days that a forecast looks ahead."""
_RATE_DAYS = 7
_EPOCH = dt.date(1970, 1, 1)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one tenant: days that events stay, the present one included, and bytes; 0 = no limit."""

    days: int = 0
    size: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds on this node. `size`: bytes of all tenants together, 0 = no limit."""

    default: Rule = Rule()
    tenants: Mapping[str, Rule] = {}
    size: int = 0

    def of(self, tenant: str) -> Rule:
        """Give the rule of one tenant."""
        return self.tenants.get(tenant, self.default)


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """A day that is to go; `reason` is `days`, `bytes` (the tenant's) or `total_bytes`."""

    tenant: str
    day: str
    rows: int
    size: int
    reason: str


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What happens within a year at the present rate.

    `rates`: bytes a day, by tenant. `next_drop`: the first removal of each tenant that has one, and in how many
    days. `full_in`: days until no space is left on the disk; None = not within a year.
    """

    rates: Mapping[str, int]
    next_drop: Mapping[str, tuple[int, Drop]]
    full_in: int | None


def day_of(micros: int) -> str:
    """Give the day (UTC) of microseconds, as partitions are named."""
    return (_EPOCH + dt.timedelta(days=micros // DAY)).isoformat()


def due(parts: Sequence[Parts], policy: Policy, *, today: str) -> list[Drop]:
    """Give what is to go now, oldest first.

    No limit takes a day that has not ended: when there is no room even so, ingest refuses and agents keep.
    """
    used: Counter[str] = Counter()
    for part in parts:
        used[part.tenant] += part.size
    firsts = {tenant: _first_kept(policy.of(tenant), today) for tenant in used}
    drops: list[Drop] = []
    for part in sorted(parts, key=lambda part: (part.day, part.tenant)):
        if part.day >= today:
            break
        size = policy.of(part.tenant).size
        if part.day < firsts[part.tenant]:
            reason = "days"
        elif size and used[part.tenant] > size:
            reason = "bytes"
        elif policy.size and used.total() > policy.size:
            reason = "total_bytes"
        else:
            continue
        used[part.tenant] -= part.size
        drops.append(Drop(tenant=part.tenant, day=part.day, rows=part.rows, size=part.size, reason=reason))
    return drops


def forecast(parts: Sequence[Parts], policy: Policy, *, now: int, free: int) -> Forecast:
    """Let days pass at the present rate. `free`: bytes of the disk that the store may still take."""
    today, tenants = day_of(now), sorted({part.tenant for part in parts})
    rates = {tenant: _rate([part for part in parts if part.tenant == tenant], now) for tenant in tenants}
    held, capacity = list(parts), sum(part.size for part in parts) + free
    next_drop: dict[str, tuple[int, Drop]] = {}
    for ahead in range(HORIZON + 1):
        day = _later(today, ahead)
        if ahead:
            held += [Parts(tenant, day, 0, rate, 1) for tenant, rate in rates.items()]
        drops = due(held, policy, today=day)
        for drop in drops:
            next_drop.setdefault(drop.tenant, (ahead, drop))
        gone = {(drop.tenant, drop.day) for drop in drops}
        held = [part for part in held if (part.tenant, part.day) not in gone]
        if sum(part.size for part in held) > capacity:
            return Forecast(rates=rates, next_drop=next_drop, full_in=ahead)
    return Forecast(rates=rates, next_drop=next_drop, full_in=None)


def _first_kept(rule: Rule, today: str) -> str:
    return _later(today, 1 - rule.days) if rule.days else ""


def _later(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days=days)).isoformat()


def _rate(parts: Sequence[Parts], now: int) -> int:
    """Bytes a day: of the last whole days, up to seven, else of what there is of this one."""
    today = day_of(now)
    first = max(min(part.day for part in parts), _later(today, -_RATE_DAYS))
    if first < today:
        whole = (dt.date.fromisoformat(today) - dt.date.fromisoformat(first)).days
        return sum(part.size for part in parts if first <= part.day < today) // whole
    return sum(part.size for part in parts) * DAY // max(now % DAY, HOUR)
