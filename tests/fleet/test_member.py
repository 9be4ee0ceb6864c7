"""One synthetic agent against a Central Node played by a script of answers."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.fleet.content import Content
from vedette.fleet.member import Member, Plan
from vedette.fleet.tally import Tally
from vedette.wire.frame import read_header
from vedette.wire.messages import Problem, Receipt

NOW = 1_800_000_000_000_000
BUSY = RefusedError(503, Problem(), retry_after=30)


class Node:
    """Answers each batch with the next thing of its script, then with receipts."""

    def __init__(self, *script: Exception | Receipt) -> None:
        self.script, self.rate = list(script), 0
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> Receipt:
        self.frames.append(frame)
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, Exception):
            raise answer
        header = read_header(frame)
        return answer or Receipt(ranges=[(header.first, header.last)], rate=self.rate)


class Scene:
    """A member that sends 10 events every 2 s from second 100 to 110, and a clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
        self.time, self.node, self.tally = 100.0, node, Tally()
        monkeypatch.setattr("time.monotonic", lambda: self.time)
        identity = Identity(server="https://x", agent="a" * 32, tenant="default", group="g", ca="", settings_key="")
        plan = Plan(count=10, interval=2.0, begin=100.0, end=110.0)
        self.member = Member(7, IdentityStore(folder), identity, plan)
        self.content = Content(10, clock=lambda: NOW)

    def step(self) -> float | None:
        transport = cast("Transport", self.node)
        return self.member.step(self.content, lambda _: transport, self.tally, clock=lambda: NOW)

    def run(self) -> None:
        while (again := self.step()) is not None:
            self.time = max(self.time, again)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Node], Scene]:
    return lambda node: Scene(tmp_path, monkeypatch, node)


def test_it_sends_on_time_and_ends(scene: Callable[[Node], Scene]) -> None:
    here = scene(Node())
    here.run()
    headers = [read_header(frame) for frame in here.node.frames]
    assert [(one.first, one.last) for one in headers] == [(1, 10), (11, 20), (21, 30), (31, 40), (41, 50)]
    assert headers[0].host.name == "fleet-00007"
    assert (here.member.acknowledged, here.tally.events, here.tally.batches) == (50, 50, 5)
    assert list(here.tally.late) == [0.0] * 5


def test_a_503_is_obeyed_and_the_same_batch_comes_again(scene: Callable[[Node], Scene]) -> None:
    here = scene(Node(BUSY))
    again = here.step()
    assert again is not None
    assert again >= here.time + 30
    assert here.member.waiting
    here.time = again
    here.run()
    assert here.node.frames[0] == here.node.frames[1]
    assert (here.member.acknowledged, here.tally.busy) == (50, 1)
    assert here.tally.busy_seconds >= 30


def test_a_send_rate_is_obeyed(scene: Callable[[Node], Scene]) -> None:
    node = Node()
    node.rate = 1
    here = scene(node)
    again = here.step()
    assert again == 110.0
    assert here.tally.paced == 1


@pytest.mark.parametrize("answer", [UnreachableError("gone"), Receipt(ranges=[(1, 5)])])
def test_without_a_receipt_the_batch_comes_again(
    scene: Callable[[Node], Scene], answer: UnreachableError | Receipt
) -> None:
    here = scene(Node(answer))
    here.run()
    assert here.node.frames[0] == here.node.frames[1]
    assert (here.member.acknowledged, here.tally.lost_contact) == (50, 1)


def test_a_refusal_ends_the_member(scene: Callable[[Node], Scene]) -> None:
    here = scene(Node(RefusedError(403, Problem(detail="revoked"))))
    assert here.step() is None
    assert "revoked" in here.member.failed
    assert (here.tally.refused, here.member.acknowledged) == (1, 0)
