"""Events of verdicts: complete, and not too many."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vedette.agent.core.scanner.budget import Quota
from vedette.agent.core.scanner.candidates import ON_EXEC, Candidate
from vedette.agent.core.scanner.reports import FAILURE_REPEATED, REPEATED, Reporter
from vedette.engines.objects import Finding, Reason, Status, Verdict, not_scanned
from vedette.schema.entities import Detect
from vedette.schema.events.protection import EppDetect, EppResult

TWO = (Finding(record_id="a.yar:One", category="Trojan.One"), Finding(record_id="b.yar:Two", category="Trojan.Two"))
FOUND = Verdict(engine="yara", status=Status.DETECTED, findings=TWO, db_time=77)
MISSED = not_scanned("yara", Reason.TOO_LARGE, "12 bytes, limit 10", db_time=77)


class World:
    """A reporter, its clock and what it sent. Its quotas never refill."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.sent: list[EppDetect | EppResult] = []
        self.reporter = Reporter(
            self.sent.append,  # type: ignore[arg-type] # only these are sent
            lambda: self.now,
            detections=Quota(rate=0, burst=3, clock=lambda: 0.0),
            failures=Quota(rate=0, burst=2, clock=lambda: 0.0),
        )

    def told(self) -> list[tuple[str, str | None]]:
        return [
            (type(one).__name__, one.detect.record_id or one.detect.error_reason) for one in self.sent if one.detect
        ]


@pytest.fixture
def world() -> World:
    return World()


def test_each_rule_gives_a_detection_and_the_object_one_result(
    world: World, make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(mode=ON_EXEC)
    world.reporter.report(candidate, (FOUND,))
    assert world.told() == [("EppDetect", "a.yar:One"), ("EppDetect", "b.yar:Two"), ("EppResult", "a.yar:One")]
    first = world.sent[0]
    assert (first.time, first.process, first.file) == (world.now, candidate.process, candidate.file)
    assert first.detect == Detect(
        engine="yara",
        result="detected",
        object_name="/tmp/x",
        record_id="a.yar:One",
        db_time=77,
        mode="on_exec",
        category="Trojan.One",
        object_md5="md1",
        object_sha256="d1",
    )


def test_what_was_not_scanned_gives_a_result_with_the_reason(
    world: World, make_candidate: Callable[..., Candidate]
) -> None:
    world.reporter.report(make_candidate(), (MISSED,))
    assert world.told() == [("EppResult", "too_large: 12 bytes, limit 10")]
    detect = world.sent[0].detect
    assert detect is not None
    assert detect.result == "not_scanned"


def test_clean_objects_give_no_event(world: World, make_candidate: Callable[..., Candidate]) -> None:
    world.reporter.report(make_candidate(), (Verdict(engine="yara", status=Status.CLEAN),))
    world.reporter.settle()
    assert world.sent == []


def test_the_same_detection_is_told_once_a_minute_for_each_process(
    world: World, make_candidate: Callable[..., Candidate]
) -> None:
    world.reporter.report(make_candidate(), (FOUND,))
    world.reporter.report(make_candidate(), (FOUND,))
    assert (len(world.sent), world.reporter.repeated) == (3, 1)
    world.reporter.report(make_candidate(entity="e2"), (FOUND,))
    assert len(world.sent) == 6
    world.now += REPEATED
    world.reporter.report(make_candidate(), (FOUND,))
    assert len(world.sent) == 9


def test_detections_beyond_the_quota_are_lost_and_counted(
    world: World, make_candidate: Callable[..., Candidate]
) -> None:
    for number in range(5):
        world.reporter.report(make_candidate(str(number)), (FOUND,))
    assert (len(world.sent), world.reporter.lost) == (9, 2)


def test_the_same_failure_is_told_once_an_hour(world: World, make_candidate: Callable[..., Candidate]) -> None:
    world.reporter.report(make_candidate(), (MISSED,))
    world.reporter.report(make_candidate(entity="e2"), (MISSED,))
    assert len(world.sent) == 1
    world.now += FAILURE_REPEATED
    world.reporter.report(make_candidate(), (MISSED,))
    assert len(world.sent) == 2


def test_failures_beyond_the_quota_are_told_by_number_in_the_next_one(
    make_candidate: Callable[..., Candidate],
) -> None:
    world = World()
    time = [0.0]
    world.reporter = Reporter(
        world.sent.append,  # type: ignore[arg-type] # only these are sent
        lambda: world.now,
        failures=Quota(rate=1, burst=1, clock=lambda: time[0]),
    )
    for number in range(4):
        reason = Reason.BUSY if number == 3 else Reason.TOO_LARGE
        world.reporter.report(make_candidate(str(number)), (not_scanned("yara", reason, "why"),))
    time[0] = 1.0
    world.reporter.report(make_candidate("next"), (MISSED,))
    assert world.told()[1:] == [
        ("EppResult", "too_large: 12 bytes, limit 10; 3 more objects were not scanned (too_large 2, busy 1)")
    ]
    world.reporter.report(make_candidate("another"), (MISSED,))
    world.reporter.settle()
    time[0] = 2.0
    world.reporter.settle()
    assert world.told()[2:] == [("EppResult", "1 more objects were not scanned (too_large 1)")]
    world.reporter.settle()
    assert len(world.sent) == 3
