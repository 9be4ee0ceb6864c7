"""What an agent may send wrongly, over the real wire into the real store: kept, counted, never in the way of others."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from tests.conftest import Deployment, until

from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.core.transport import RefusedError, Transport
from vedette.runtime.clock import DAY, now
from vedette.schema.entities import Blocked, File, Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart
from vedette.schema.events.protection import FileBlock
from vedette.wire.builder import Builder
from vedette.wire.frame import frame
from vedette.wire.header import BatchHeader

pytestmark = pytest.mark.slow
EPOCH = "0123456789abcdef"


class Agent:
    """A hand-made agent: it says what it is told to say."""

    def __init__(self, data: Path) -> None:
        store = IdentityStore(data)
        self.identity: Identity = store.load()
        self.transport = Transport(self.identity.server, store.context(self.identity))
        self.next = 1

    def body(self, *events: Event) -> bytes:
        return Builder(list(events)).encode(self.next)

    def send(self, body: bytes, count: int, *, agent: str = "", epoch: str = EPOCH) -> int:
        """Send `body` as the next `count` events; give the first of their sequence numbers."""
        first, self.next = self.next, self.next + count
        header = BatchHeader(
            agent=agent or self.identity.agent,
            epoch=epoch,
            first=first,
            last=first + count - 1,
            count=count,
            sent=now(),
        )
        receipt = self.transport.send(frame(header, body))
        assert list(receipt.ranges) == [(first, first + count - 1)]
        return first


@pytest.fixture(scope="module")
def deployment(make_deployment: Callable[[], Deployment]) -> Deployment:
    made = make_deployment()
    made.start_central()
    return made


@pytest.fixture(scope="module")
def agent(deployment: Deployment) -> Agent:
    return Agent(deployment.enrol("hand-made"))


def start(name: str, *, time: int = 0) -> ProcessStart:
    return ProcessStart(time=time or now(), process=Process(pid=7, file=File(name=name)))


def packed(types: dict[str, Any]) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=True).compress(msgspec.msgpack.encode(types))


def row(sequence: int, **columns: Any) -> dict[str, Any]:
    values = {"event.time": now()} | columns
    told = {name: [[value], b""] for name, value in values.items()}
    return {"n": 1, "columns": told | {"event.sequence": [struct.pack("<q", sequence), b""]}}


def balance(deployment: Deployment, agent: Agent) -> dict[str, Any]:
    rows = [one for one in deployment.json_lines("ledger") if one["host"] == agent.identity.agent]
    return {name: sum(one[name] for one in rows) for name in ("received", "stored", "dead_lettered")}


def settled(deployment: Deployment, agent: Agent, *, received: int = 0) -> dict[str, Any]:
    """Give the balance once it adds up and so much was received (which is counted some time after its receipt)."""

    def done() -> dict[str, Any] | None:
        found = balance(deployment, agent)
        whole = found["received"] == found["stored"] + found["dead_lettered"]
        return found if whole and found["received"] >= received else None

    found: dict[str, Any] = until(done, seconds=30, what="all received is stored or kept", alive=deployment.alive)
    return found


def test_the_hash_type_of_a_block_cannot_be_asked_for_yet_is_shown(deployment: Deployment, agent: Agent) -> None:
    blocked = FileBlock(time=now(), file=File(name="macro.docm"), blocked=Blocked(hash_type=0))
    agent.send(agent.body(blocked), 1)
    refused = deployment.vedette("hunt", "blocked.hash_type:0", check=False)
    assert (refused.returncode, "stored, not searchable" in refused.stderr) == (1, True)
    (event,) = deployment.wait_for("blocked.file.name:macro.docm")
    assert event["blocked.hash_type"] == 0
    assert event["blocked.file.name"] == "macro.docm"


def test_an_unknown_field_of_a_known_type_is_kept_and_can_be_hunted(deployment: Deployment, agent: Agent) -> None:
    body = packed({"process_start": row(agent.next, **{"process.file.name": "newer", "process.mood": "calm"})})
    agent.send(body, 1)
    (event,) = deployment.wait_for("event.extra.process.mood:calm")
    assert event["process.file.name"] == "newer"


def test_an_unknown_event_type_is_kept_whole_and_counted_beside_what_is_known(
    deployment: Deployment, agent: Agent
) -> None:
    before = settled(deployment, agent)
    first = agent.next
    types = {"telepathy": row(first, thought="x"), "process_start": row(first + 1, **{"process.file.name": "known"})}
    agent.send(packed(types), 2)
    deployment.wait_for("process.file.name:known")
    after = settled(deployment, agent)
    assert (after["stored"] - before["stored"], after["dead_lettered"] - before["dead_lettered"]) == (1, 1)
    notes = list((deployment.root / "central" / "dead-letter").glob("*.json"))
    assert any(b"telepathy" in note.read_bytes() for note in notes)


DECLARED_BOMB = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 30))
"""33 KB that say that they are 1 GiB."""
STREAMED_BOMB = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(bytes(1 << 28))
"""The same without saying so."""
LYING_BOMB = zstandard.ZstdCompressor(level=19).compress(bytes(200)).replace(b"\x20\xc8", b"\x20\x10", 1)
"""Says 16 bytes and holds 200."""


@pytest.mark.parametrize("body", [DECLARED_BOMB, STREAMED_BOMB, LYING_BOMB], ids=["declared", "streamed", "lying"])
def test_a_bomb_is_kept_packed_and_takes_no_memory(deployment: Deployment, agent: Agent, body: bytes) -> None:
    before = settled(deployment, agent)
    pipeline = int((deployment.root / "central" / "run" / "pipeline-0.pid").read_text())
    agent.send(body, 5)
    after = settled(deployment, agent, received=before["received"] + 5)
    assert (after["dead_lettered"] - before["dead_lettered"], after["stored"]) == (5, before["stored"])
    status = (Path("/proc") / str(pipeline) / "status").read_text()
    highest = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert highest < 1 << 20, "KiB: the pipeline itself takes a third"


@pytest.mark.parametrize(
    "body",
    [b"", b"\x28\xb5\x2f\xfd broken", packed({"process_start": {"n": 9, "columns": {}}}), packed({"process_start": 1})],
    ids=["empty", "no zstd", "rows without columns", "no columns at all"],
)
def test_a_broken_batch_is_refused_or_kept_and_the_next_one_arrives(
    deployment: Deployment, agent: Agent, body: bytes
) -> None:
    before = settled(deployment, agent)
    first = agent.next
    try:
        agent.send(body, 1)
    except RefusedError:
        agent.next = first
        kept = 0
    else:
        kept = 1
    name = f"after-{agent.next}"
    agent.send(agent.body(start(name)), 1)
    deployment.wait_for(f"process.file.name:{name}")
    after = settled(deployment, agent)
    assert after["dead_lettered"] - before["dead_lettered"] == kept


def test_a_wrong_clock_is_corrected_and_what_it_said_is_kept(deployment: Deployment, agent: Agent) -> None:
    future = now() + 400 * DAY
    agent.send(agent.body(start("tomorrow", time=future)), 1)
    (event,) = deployment.wait_for("process.file.name:tomorrow")
    assert event["event.time"] == event["event.received"]
    assert event["event.time_reported"] == future


def test_a_batch_of_another_agent_is_refused(deployment: Deployment, agent: Agent) -> None:
    first = agent.next
    with pytest.raises(RefusedError) as caught:
        agent.send(agent.body(start("impostor")), 1, agent="f" * 32)
    agent.next = first
    assert caught.value.status == 403
    assert deployment.hunt("process.file.name:impostor") == []


def test_a_batch_sent_again_is_stored_once(deployment: Deployment, agent: Agent) -> None:
    first = agent.next
    body = agent.body(start("twice"))
    agent.send(body, 1)
    agent.next = first
    agent.send(body, 1)
    deployment.wait_for("process.file.name:twice")
    settled(deployment, agent)
    assert len(deployment.hunt("process.file.name:twice")) == 1
