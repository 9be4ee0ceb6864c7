"""The uplink's decisions, against a Central Node that is played by this file."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vedette.agent.core.buffer import REFUSED, Buffer, Facts
from vedette.agent.core.headers import HeaderMaker
from vedette.agent.core.identity import Identity
from vedette.agent.core.settings import SettingsKeeper
from vedette.agent.core.transport import RefusedError, UnreachableError
from vedette.agent.core.uplink import ATTEMPTS, Uplink
from vedette.runtime.clock import DAY, MINUTE, SECOND
from vedette.schema.entities import Host
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings, SignedSettings
from vedette.wire.batch import BatchHeader, decode
from vedette.wire.messages import Problem, Receipt
from vedette.wire.signature import sign_settings

Make = Callable[[int], list[Event]]
KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
IDENTITY = Identity(
    server="https://central:1", agent="a" * 32, tenant="default", group="default", ca="", settings_key=PUBLIC
)


class Central:
    """Takes batches as a Central Node does, and misbehaves when told to."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.answers: list[Exception | Receipt] = []
        """What to answer to the next batches; then receipts."""
        self.lose_receipts = 0
        self.settings_version = 0
        self.rate = 0
        self.connections = 0
        self.document: SignedSettings | Exception | None = None

    def connect(self) -> "Central":
        self.connections += 1
        return self

    def close(self) -> None:
        pass

    def send(self, frame: bytes) -> Receipt:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        self.frames.append(frame)
        header = decode(frame).header
        if self.lose_receipts and header.count:
            self.lose_receipts -= 1
            raise UnreachableError("the connection broke")
        ranges = [(header.first, header.last)] if header.count else []
        return Receipt(ranges=ranges, settings_version=self.settings_version, rate=self.rate)

    def settings(self) -> SignedSettings:
        if isinstance(self.document, Exception):
            raise self.document
        assert self.document is not None
        return self.document

    @property
    def headers(self) -> list[BatchHeader]:
        return [decode(frame).header for frame in self.frames]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return [(header.first, header.last) for header in self.headers if header.count]


class NoRenewal:
    """A certificate that lasts."""

    def due(self) -> bool:
        return False


class Bench:
    """An uplink on a buffer, a clock that stands, and the played Central Node."""

    def __init__(self, buffer: Buffer, folder: Path, clock: Any) -> None:
        self.buffer, self.clock, self.central = buffer, clock, Central()
        self.applied: list[Settings] = []
        self.settings = SettingsKeeper(folder / "settings.json", PUBLIC, self.applied.append)
        header = HeaderMaker(IDENTITY, buffer, self.settings, clock)
        header.facts = lambda: Facts(Host(name="now"))
        header.refused = lambda: {f"kernel/{number}": "x" * 1000 for number in range(100)}
        renewal: Any = NoRenewal()
        connect: Any = self.central.connect
        self.uplink = Uplink(buffer, connect, header, settings=self.settings, renewal=renewal, clock=clock)
        self.uplink.monotonic = lambda: clock() / SECOND

    def run(self, steps: int) -> list[float]:
        """Take steps, moving the clock by each pause; gives the pauses."""
        pauses = []
        for _ in range(steps):
            pauses.append(self.uplink.step())
            self.clock.move(int(pauses[-1] * SECOND))
        return pauses


@pytest.fixture
def bench(open_buffer: Callable[..., Buffer], tmp_path: Path, clock: Any) -> Bench:
    return Bench(open_buffer(), tmp_path, clock)


def keep(bench: Bench, events: Make, *sizes: int) -> None:
    for size in sizes:
        bench.buffer.append(events(size), Facts(Host(name="then")))


def test_a_sign_of_life_comes_before_the_first_batch(bench: Bench, events: Make) -> None:
    keep(bench, events, 3)
    bench.run(2)
    assert [(header.count, header.first, header.last) for header in bench.central.headers] == [(0, 4, 3), (3, 1, 3)]
    assert bench.buffer.stats().batches == 0
    assert bench.uplink.link.events == 3


def test_the_header_tells_the_host_then_and_the_agent_now(bench: Bench, events: Make) -> None:
    keep(bench, events, 3, 2)
    bench.buffer.losses.add("file_change", 9)
    bench.run(2)
    sign, batch = bench.central.headers
    assert (sign.host.name, batch.host.name) == ("now", "then")
    assert (batch.agent, batch.host.id, batch.epoch) == ("a" * 32, "a" * 32, bench.buffer.epoch)
    assert (batch.spool_events, batch.drops, batch.sent) == (5, {"file_change": 9}, bench.clock())


def test_a_batch_whose_receipt_is_lost_is_sent_again_unchanged(bench: Bench, events: Make) -> None:
    keep(bench, events, 3)
    bench.central.lose_receipts = 2
    bench.run(8)
    batches = [frame for frame in bench.central.frames if decode(frame).header.count]
    payloads = {frame[8 + int.from_bytes(frame[4:8], "little") :] for frame in batches}
    assert (len(batches), len(payloads)) == (3, 1)
    assert bench.central.ranges == [(1, 3)] * 3
    assert bench.buffer.stats().batches == 0


def test_a_receipt_that_does_not_cover_the_batch_frees_nothing(bench: Bench, events: Make) -> None:
    keep(bench, events, 3)
    bench.run(1)
    bench.central.answers = [Receipt(ranges=[(1, 2)])]
    (pause,) = bench.run(1)
    assert bench.buffer.stats().events == 3
    assert pause > 0
    assert "does not cover" in bench.uplink.link.last_problem
    bench.run(2)
    assert bench.buffer.stats().events == 0


def test_a_header_holds_some_refusals_with_the_beginning_of_their_reasons(bench: Bench, events: Make) -> None:
    keep(bench, events, 1)
    bench.run(1)
    refused = bench.central.headers[0].refused
    assert len(refused) == 32
    assert refused["kernel/0"] == "x" * 256


def test_503_is_obeyed(bench: Bench, events: Make) -> None:
    keep(bench, events, 3)
    bench.run(1)
    bench.central.answers = [RefusedError(503, Problem(detail="spool full"), retry_after=45)]
    (pause,) = bench.run(1)
    assert 45 <= pause <= 54
    assert (bench.uplink.link.state, bench.buffer.stats().events) == ("busy", 3)
    bench.run(2)
    assert (bench.uplink.link.state, bench.buffer.stats().events) == ("online", 0)


def test_pauses_grow_and_end_with_success(bench: Bench) -> None:
    bench.central.answers = [UnreachableError("down")] * 12
    pauses = bench.run(12)
    assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses[:7]))
    assert all(60 <= pause <= 120 for pause in pauses[7:])
    assert bench.run(1) == [0.0]
    assert bench.uplink.online


def test_while_nobody_answers_no_batch_is_tried(bench: Bench, events: Make) -> None:
    keep(bench, events, 3)
    bench.central.answers = [UnreachableError("down")] * 5
    bench.run(5)
    assert bench.central.frames == []
    assert not bench.uplink.online


def test_the_rate_of_the_receipt_is_kept(bench: Bench, events: Make) -> None:
    keep(bench, events, *[100] * 10)
    bench.central.rate = 50
    begin = bench.clock()
    while bench.buffer.stats().batches:
        bench.run(1)
    assert (bench.clock() - begin) / SECOND == pytest.approx(20, abs=2.1)


def test_live_events_overtake_a_backlog_and_the_backlog_still_goes(bench: Bench, events: Make) -> None:
    keep(bench, events, 1, 1, 1, 1)
    bench.clock.move(MINUTE)
    keep(bench, events, 1, 1)
    bench.run(7)
    assert [first for first, _ in bench.central.ranges] == [5, 1, 6, 2, 3, 4]


def test_a_backlog_arrives_whole_and_in_order(bench: Bench, events: Make) -> None:
    keep(bench, events, *[5] * 40)
    bench.clock.move(MINUTE)
    bench.run(41)
    assert bench.central.ranges == [(first, first + 4) for first in range(1, 200, 5)]


def test_a_batch_called_broken_waits_while_the_others_go_and_is_given_up_at_last(bench: Bench, events: Make) -> None:
    keep(bench, events, 2, 3)
    bench.run(1)
    refusal = RefusedError(400, Problem(detail="content: broken"))
    bench.central.answers = [refusal]
    bench.run(2)
    assert bench.central.ranges == [(3, 5)]
    for _ in range(ATTEMPTS - 1):
        bench.clock.move(MINUTE)
        bench.central.answers = [refusal]
        assert bench.buffer.stats().events == 2
        bench.run(1)
    assert bench.buffer.stats().events == 0
    assert bench.buffer.losses.totals() == {REFUSED: 2}
    assert bench.uplink.link.refused == 1
    assert len(list(bench.buffer.path.with_name("undelivered").iterdir())) == 1


def test_a_refused_identity_keeps_everything(bench: Bench, events: Make) -> None:
    keep(bench, events, 2)
    bench.central.answers = [RefusedError(403, Problem(detail="certificate revoked"))] * 3
    bench.run(3)
    assert bench.uplink.link.state == "refused"
    assert "certificate revoked" in bench.uplink.link.last_problem
    assert bench.buffer.stats().events == 2


def test_a_host_whose_disk_went_back_begins_another_stream(bench: Bench, events: Make) -> None:
    keep(bench, events, 5, 5)
    epoch = bench.buffer.epoch
    for batch in [bench.buffer.pick(), bench.buffer.pick()]:
        assert batch is not None
        bench.buffer.release(batch.first)
    bench.central.answers = [Receipt(ranges=[(1, 10)])]
    bench.run(1)
    assert bench.buffer.epoch == epoch  # all of them are here: their receipts were lost
    bench.central.answers = [UnreachableError("down"), Receipt(ranges=[(1, 11)])]
    bench.run(4)
    assert bench.buffer.epoch != epoch
    assert bench.central.ranges == [(1, 5), (6, 10)]
    assert {header.epoch for header in bench.central.headers if header.count} == {bench.buffer.epoch}


def test_numbers_that_came_twice_lose_nothing_even_when_the_host_made_more_since(bench: Bench, events: Make) -> None:
    """The snapshot had given 0 numbers, the Central Node has 150, and 200 new events wait under numbers 1 to 200."""
    keep(bench, events, 100, 100)
    epoch = bench.buffer.epoch
    bench.central.answers = [Receipt(ranges=[(1, 150)])]
    bench.run(4)
    assert bench.buffer.epoch != epoch
    assert bench.central.ranges == [(1, 100), (101, 200)]


def test_what_was_sent_live_is_no_contradiction_to_the_backlog_before_it(bench: Bench, events: Make) -> None:
    keep(bench, events, 5, 5)
    epoch = bench.buffer.epoch
    bench.central.answers = [Receipt(ranges=[(11, 20)])]
    bench.buffer.append(events(10), Facts())
    batch = bench.buffer.pick(skip=(1, 6))
    assert batch is not None
    bench.buffer.release(batch.first)
    bench.run(1)
    assert bench.buffer.epoch == epoch


@pytest.mark.parametrize(
    "answer",
    [
        Receipt(ranges=[(1, 5)], duplicate=True),
        RefusedError(409, Problem(type="urn:vedette:problem:batch_overlap", title="overlap")),
    ],
)
def test_a_batch_that_is_there_before_it_was_ever_sent_begins_another_stream(
    bench: Bench, events: Make, answer: Any
) -> None:
    """Snapshot of a running host, or a copy of it that runs beside it: no sign of life comes before the batch."""
    bench.run(1)
    keep(bench, events, 5)
    epoch = bench.buffer.epoch
    bench.central.answers = [answer]
    bench.run(2)
    assert bench.buffer.epoch != epoch
    assert bench.central.ranges == [(1, 5)]
    assert bench.central.headers[-1].epoch == bench.buffer.epoch


def test_a_batch_whose_receipt_was_lost_is_no_contradiction(bench: Bench, events: Make) -> None:
    keep(bench, events, 5)
    epoch = bench.buffer.epoch
    bench.central.lose_receipts = 1
    bench.run(2)
    bench.central.answers = [Receipt(ranges=[(1, 5)]), Receipt(ranges=[(1, 5)], duplicate=True)]
    bench.run(3)
    assert (bench.buffer.epoch, bench.buffer.stats().batches) == (epoch, 0)


def test_time_off_is_believed_with_the_central_nodes_time_and_what_is_too_old_is_not_sent(
    bench: Bench, events: Make, clock: Any
) -> None:
    bench.central.answers = [Receipt(time=clock())]
    bench.run(1)
    keep(bench, events, 5)
    clock.reboot(22 * DAY)
    bench.buffer.expire()
    assert bench.buffer.stats().events == 5
    keep(bench, events, 3)
    bench.central.answers = [UnreachableError("down"), Receipt(time=clock() + MINUTE)]
    bench.run(6)
    assert bench.central.ranges == [(6, 8)]
    assert bench.central.headers[-1].aged == {"process_stop": 5}


def test_signs_of_life_come_when_nothing_happens(bench: Bench) -> None:
    begin = bench.clock()
    bench.run(1)
    while bench.clock() < begin + 10 * MINUTE:
        bench.run(1)
    gaps = [after.sent - before.sent for before, after in pairwise(bench.central.headers)]
    assert len(gaps) >= 9
    assert max(gaps) <= 61 * SECOND


def test_newer_settings_are_fetched_applied_and_reported(bench: Bench, events: Make) -> None:
    bench.central.settings_version = 4
    bench.central.document = sign_settings(Settings(version=4, heartbeat=10), KEY)
    bench.run(1)
    assert [settings.version for settings in bench.applied] == [4]
    keep(bench, events, 1)
    bench.run(1)
    assert bench.central.headers[-1].settings_version == 4


def test_settings_that_do_not_verify_are_not_fetched_all_the_time(bench: Bench, events: Make) -> None:
    bench.central.settings_version = 4
    bench.central.document = sign_settings(Settings(version=4), Ed25519PrivateKey.generate())
    keep(bench, events, *[1] * 20)
    fetched = 0

    def fetch() -> SignedSettings:
        nonlocal fetched
        fetched += 1
        assert isinstance(bench.central.document, SignedSettings)
        return bench.central.document

    bench.central.settings = fetch  # type: ignore[method-assign] # to count
    bench.run(15)
    assert (fetched, bench.applied) == (1, [])
    assert "another key" in bench.settings.problem
    assert bench.uplink.online


def test_draining_ends_when_something_goes_wrong(bench: Bench, events: Make) -> None:
    keep(bench, events, 1, 1, 1)
    bench.run(2)
    bench.central.answers = [UnreachableError("down")]
    bench.uplink.drain(5)
    assert bench.buffer.stats().batches == 2


def test_draining_does_not_wait_for_a_pause_to_end(bench: Bench, events: Make) -> None:
    keep(bench, events, 1)
    bench.central.answers = [UnreachableError("down")]
    bench.run(1)
    bench.uplink.drain(5)
    assert bench.buffer.stats().batches == 0


def test_draining_sends_what_waits(bench: Bench, events: Make) -> None:
    keep(bench, events, 1, 1, 1)
    bench.central.rate = 1
    bench.uplink.drain(5)
    assert bench.buffer.stats().batches == 0
