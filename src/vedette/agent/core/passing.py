"""How much time has passed, by what can be proven: what decides that an event is too old. Pure.

The host's clock may be set weeks ahead and back; the time since its boot may not. So the buffer has a time of its
own (*buffer time*): it begins as the host's clock and moves by the time since boot. Only what passed while the
host was off is known from nothing but the host's clock. That is a *claim*: buffer time moves on by it, but it
makes nothing old until the Central Node's time, at two contacts around it, leaves room for it.
"""

from typing import NamedTuple

import msgspec

from vedette.runtime.clock import MINUTE

TOLERANCE = 5 * MINUTE
"""Two clocks that agree may differ by so much, and by a thousandth of what they measured."""
CLAIM_LEAST = MINUTE
CLAIMS = 64
"""Reboots without a contact that are told apart."""


class Boot(NamedTuple):
    """One run of the operating system, and how long it has run: microseconds, sleep included."""

    id: str
    up: int


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """The host says that it was off for `length` from the buffer time `at` on."""

    at: int
    length: int


class Passing(msgspec.Struct, frozen=True):
    """What is known at the last look."""

    at: int
    """Buffer time."""
    wall: int
    boot: str = ""
    """Empty: not known, so all that passed since is a claim."""
    up: int = 0
    claims: tuple[Claim, ...] = ()
    anchor: tuple[int, int] | None = None
    """The last contact: the Central Node's time, and buffer time."""


def look(before: Passing, wall: int, boot: Boot) -> Passing:
    """Move on to now."""
    if boot.id == before.boot:
        at, claims = before.at + max(0, boot.up - before.up), before.claims
    else:
        proven = boot.up if before.boot else 0
        length = wall - before.wall - proven
        claimed = length if length >= CLAIM_LEAST else 0
        at = before.at + proven + claimed
        claims = _bounded((*before.claims, Claim(before.at, claimed))) if claimed else before.claims
    return msgspec.structs.replace(before, at=at, wall=wall, boot=boot.id, up=boot.up, claims=claims)


def confirm(before: Passing, server: int) -> Passing:
    """Take note of the Central Node's time, just after a look: believe the claims since the last contact, or not."""
    claims = before.claims
    if before.anchor is not None:
        theirs, ours = server - before.anchor[0], before.at - before.anchor[1]
        if ours <= theirs + TOLERANCE + theirs // 1000:
            since = before.anchor[1]
            claims = tuple(claim for claim in claims if claim.at < since)
    return msgspec.structs.replace(before, claims=claims, anchor=(server, before.at))


def cutoff(now: Passing, span: int) -> int:
    """Give the buffer time before which things are proven to be older than `span`."""
    limit = now.at - span
    for claim in reversed(now.claims):
        if limit < claim.at + claim.length:
            limit -= claim.length
    return limit


def _bounded(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Join the two oldest claims when there are too many: what lies between them seems younger than it is."""
    if len(claims) <= CLAIMS:
        return claims
    first, second, *others = claims
    return (Claim(second.at, first.length + second.length), *others)
