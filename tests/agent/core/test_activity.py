"""Counting what the sources emit."""

from typing import Any

import pytest

from vedette.agent.core import activity
from vedette.agent.core.activity import ActivityKeeper, Marked, Tally, program_of
from vedette.runtime.clock import SECOND
from vedette.schema.entities import File, OsLog, Process
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent
from vedette.schema.events.process import ProcessStart, ProcessStop

MARKER = "vedette-selftest-0123456789abcdef"
SHELL = Process(pid=1, file=File(path="/bin/sh", name="sh"), command_line="sh -c x")


def test_events_are_counted_by_type_and_program() -> None:
    tally = Tally()
    for event in (ProcessStart(time=1, process=SHELL), ProcessStop(time=2, process=SHELL), ProcessStop(time=3)):
        tally.observe(event)
    assert tally.take() == {
        ("process_start", "/bin/sh"): 1,
        ("process_stop", "/bin/sh"): 1,
        ("process_stop", "(no process)"): 1,
    }
    assert tally.take() == {}


@pytest.mark.parametrize(
    ("process", "name"),
    [
        (None, "(no process)"),
        (Process(pid=1), "(unknown)"),
        (Process(pid=1, file=File(name="x")), "x"),
        (SHELL, "/bin/sh"),
        (Process(pid=1, command_line=f"python -m acts {MARKER}"), MARKER),
        (Process(pid=1, command_line="vedette-selftest-no"), "(unknown)"),
    ],
)
def test_what_runs_is_named(process: Process | None, name: str) -> None:
    assert program_of(process) == name


def test_a_log_record_is_marked_by_its_text_and_counted_once() -> None:
    tally = Tally()
    tally.observe(OsLogEvent(time=1, process=SHELL, oslog=OsLog(message=f"op=x marker={MARKER} res=success")))
    tally.observe(OsLogEvent(time=1, process=SHELL, oslog=OsLog(message="other")))
    assert tally.take() == {("os_log", MARKER): 1, ("os_log", "/bin/sh"): 1}


def test_a_fork_storm_holds_a_bounded_number_of_processes_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "_MOST_HELD", 8)
    monkeypatch.setattr(activity, "_MOST_PROGRAMS", 20)
    tally = Tally()
    for number in range(1000):
        tally.observe(ProcessStart(time=1, process=Process(pid=number, file=File(path=f"/x/{number}"))))
        assert len(tally._held) <= 8
    counts = tally.take()
    assert (len(counts), counts.total(), counts["process_start", activity.OTHERS]) == (21, 1000, 980)


def test_the_window_is_a_minute_and_totals_go_on(clock: Any) -> None:
    cpu = {"source-kernel": 0.0}
    keeper = ActivityKeeper(clock, cpu=lambda: dict(cpu))
    taken: list[Event] = []
    emit = keeper.watched("kernel", taken.append)
    for tick in range(1, 31):
        clock.move(5 * SECOND)
        cpu["source-kernel"] += 0.5
        emit(ProcessStart(time=1, process=SHELL))
        found = keeper.tick(sent=100 * tick)
    assert len(taken) == 30
    assert (found.seconds, found.events, found.bytes) == (60.0, 12, 1200)
    assert found.cpu == {"source-kernel": 6.0}
    assert found.types == {"process_start": 12}
    assert [(one.program, one.events, one.types) for one in found.programs] == [("/bin/sh", 12, {"process_start": 12})]
    assert (found.sources["kernel"]["process_start"].total, found.sources["kernel"]["process_start"].last) == (
        30,
        clock(),
    )


def test_events_of_a_self_test_are_shown_with_their_source(clock: Any) -> None:
    keeper = ActivityKeeper(clock, cpu=dict)
    emit = keeper.watched("kernel", lambda _: None)
    emit(ProcessStart(time=1, process=Process(pid=1, command_line=f"x {MARKER}")))
    clock.move(SECOND)
    assert keeper.tick(0).marked == [Marked(marker=MARKER, source="kernel", type="process_start", events=1)]
