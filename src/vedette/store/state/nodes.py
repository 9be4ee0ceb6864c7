"""Ingest nodes beside each other: their numbers, and what all of them together received of a stream."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.errors import ConfigError
from vedette.store.intervals import Intervals
from vedette.store.state.rows import any_of, to_json

Ranges = tuple[tuple[int, int], ...]
Key = tuple[str, str]
"""Agent and epoch."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one ingest node has of one stream; every value counts from the stream's beginning."""

    agent: str
    epoch: str
    ranges: Sequence[tuple[int, int]]
    duplicates: int
    refused: int


class Whole(msgspec.Struct, frozen=True):
    """What all nodes together have. An event that two of them have is received once and a duplicate once."""

    ranges: Ranges
    duplicates: int
    refused: int


REGISTER = text("""
INSERT INTO ingest_node (number, identity, registered) VALUES (:number, :identity, :now)
ON CONFLICT (number) DO NOTHING
""")

REGISTERED = text("SELECT identity FROM ingest_node WHERE number = :number")


def register(db: Connection, number: int, identity: str, *, now: int) -> None:
    """Take a node's number for the spool `identity`. Raises ConfigError when another spool has or had it.

    Segments are known by their node's number and their own, and one that comes again is dropped: two spools with
    one number would lose events in silence. What engines remember is kept by the number of the pipeline's node.
    """
    db.execute(REGISTER, {"number": number, "identity": identity, "now": now})
    if db.execute(REGISTERED, {"number": number}).scalar_one() != identity:
        raise ConfigError(
            f"node {number} is or was another spool: give this node a number that was never used, or its old spool"
        )


PUT = text("""
INSERT INTO stream_at_node (agent, epoch, node, ranges, duplicates, refused)
VALUES (:agent, :epoch, :node, :ranges, :duplicates, :refused)
ON CONFLICT (agent, epoch, node) DO UPDATE SET
    ranges = excluded.ranges, duplicates = excluded.duplicates, refused = excluded.refused
""")

ALL = text("""
SELECT agent, epoch, ranges, duplicates, refused FROM stream_at_node WHERE agent IN :agents AND epoch IN :epochs
""").bindparams(any_of("agents"), any_of("epochs"))


def put_together(db: Connection, node: int, shares: Sequence[Share]) -> dict[Key, Whole]:
    """Write what `node` has of some streams (at most 1,000) and give what all nodes have of them."""
    if not shares:
        return {}
    rows = [msgspec.structs.asdict(one) | {"node": node, "ranges": to_json(one.ranges)} for one in shares]
    db.execute(PUT, rows)
    wanted = {"agents": sorted({one.agent for one in shares}), "epochs": sorted({one.epoch for one in shares})}
    found: dict[Key, list[Share]] = {}
    for row in db.execute(ALL, wanted):
        ranges = msgspec.json.decode(row.ranges, type=Ranges)
        share = Share(agent=row.agent, epoch=row.epoch, ranges=ranges, duplicates=row.duplicates, refused=row.refused)
        found.setdefault((row.agent, row.epoch), []).append(share)
    return {(one.agent, one.epoch): union(found[one.agent, one.epoch]) for one in shares}


def union(shares: Iterable[Share]) -> Whole:
    """Add up the nodes' shares of one stream."""
    whole = Intervals()
    received = duplicates = refused = 0
    for share in shares:
        for first, last in share.ranges:
            whole.add(first, last)
            received += last - first + 1
        duplicates += share.duplicates
        refused += share.refused
    return Whole(whole.pairs(), duplicates + received - whole.total(), refused)
