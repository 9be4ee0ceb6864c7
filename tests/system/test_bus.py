"""Several nodes: two ingest and two pipeline nodes with a NATS cluster between them, and kill -9 amid the load."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from tests.conftest import until
from tests.system.bus import EPOCH, SERVERS, Sender, Several, kill

from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import ledger

pytestmark = [pytest.mark.slow]

EVERYTHING = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


@pytest.fixture
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    made = Several(tmp_path_factory.mktemp("several"))
    made.prepare()
    yield made
    made.state.close()
    made.stop_all()


def test_nothing_acknowledged_is_lost_or_stored_twice_when_the_bus_loses_its_leader(several: Several) -> None:
    for server in SERVERS:
        several.start_server(server)
    several.start_central_in("s")
    port = several.wait_for_part("s", "store")
    for name, node in (("a", 1), ("b", 2)):
        several.start_node(name, ["ingest"], node=node)
    for name, node in (("c", 3), ("d", 4)):
        several.start_node(name, ["pipeline"], node=node, store_url=f"http://127.0.0.1:{port}")
    ports = [several.wait_for_part(name, "ingest") for name in ("a", "b")]

    stop = threading.Event()
    senders = [Sender(several, ports, stop) for _ in range(3)]
    for sender in senders:
        sender.start()

    def alive() -> None:
        several.alive()
        assert [sender.failure for sender in senders] == [None] * len(senders)

    until(lambda: stored(several) > 1_000, seconds=60, what="the first events stored", alive=alive)

    leader = until(several.leader, seconds=30, what="a leader", alive=alive)
    before = stored(several)
    several.stop(leader, how=signal.SIGKILL)
    until(lambda: stored(several) > before + 2_000, seconds=60, what="storing goes on", alive=alive)
    kill(several.pid("c", "pipeline-0"))
    kill(several.pid("a", "forward"))
    several.start_server(leader)
    before = stored(several)
    until(lambda: stored(several) > before + 2_000, seconds=60, what="storing goes on", alive=alive)
    stop.set()
    for sender in senders:
        sender.join(60)
        assert sender.failure is None

    acknowledged = {sender.id: sender.acknowledged for sender in senders}
    until(
        lambda: held(several) == {host: (last, last, last) for host, last in acknowledged.items()},
        seconds=60, what=f"{acknowledged} stored once", alive=several.alive,
    )  # fmt: skip
    again = {sender.id: sender.again for sender in senders}
    assert all(again.values())
    until(
        lambda: balance(several) == {host: (last, last, again[host], 0) for host, last in acknowledged.items()},
        seconds=30, what="the ledger adds up", alive=several.alive,
    )  # fmt: skip
    for name, folder in (("a", "spool"), ("b", "spool"), ("c", "received"), ("d", "received")):
        assert not list((several.root / name / folder).glob("*.seg"))
        assert not [one for one in (several.root / name / "dead-letter").iterdir() if one.is_file()]


def stored(several: Several) -> int:
    ((count,),) = several.store.query("SELECT count() FROM event")
    return int(count)


def held(several: Several) -> dict[str, tuple[int, int, int]]:
    """Give of each host the rows, the different sequence numbers, and the highest."""
    sql = (
        "SELECT `host.id`, count(), uniqExact(`event.sequence`), max(`event.sequence`) FROM event "
        f"WHERE `event.epoch` = '{EPOCH}' GROUP BY `host.id`"
    )
    return {host: (rows, different, highest) for host, rows, different, highest in several.store.query(sql)}


def balance(several: Several) -> dict[str, tuple[int, int, int, int]]:
    """Give of each host what the ledger has: received, stored, duplicates, dead letters."""
    with several.state.read() as db:
        agents = ledger.agents_of(db, EVERYTHING, limit=10)
        lines = ledger.streams(db, EVERYTHING, agents)
    return {line.agent: (line.received, line.stored, line.duplicates, line.dead_letter) for line in lines}
