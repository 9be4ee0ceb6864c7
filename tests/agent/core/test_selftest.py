"""Which sources deliver, and why not."""

from typing import Any

import msgspec
import pytest

from vedette.agent.core.activity import Activity, Marked
from vedette.agent.core.buffer import BufferStats
from vedette.agent.core.selftest import Check, missing, passed, results
from vedette.agent.core.source import SourceState
from vedette.agent.core.status import SourceReport, Status
from vedette.agent.core.uplink import Link

MARKER = "vedette-selftest-0123456789abcdef"
CHECK = Check(act="start a program", event="process_start", source="kernel")
RUNS = SourceReport(loop=SourceState("kernel", "running"))


def status(*reports: SourceReport, marker: str = MARKER, link: str = "online", by: str = "kernel") -> Status:
    return Status(
        version="1", pid=1, started=1, updated=1, running=True, agent="a", tenant="t", group="g", server="s",
        certificate_expires=1, mode="", waiting=0,
        link=Link(state=link, last_problem="" if link == "online" else "nobody answers"),
        buffer=BufferStats(batches=0, events=0, bytes=0, oldest=None, next=1, expired=0),
        sources=list(reports),
        activity=Activity(marked=[Marked(marker=marker, source=by, type="process_start", events=2)]),
    )  # fmt: skip


def test_an_event_with_the_marker_is_delivered_by_whichever_source_gave_it() -> None:
    found = status(RUNS, by="polling")
    assert missing([CHECK], found, MARKER) == []
    lines = results([CHECK], found, MARKER)
    assert [(line.source, line.delivered) for line in lines] == [
        ("polling", "yes"), ("kernel", "not tried"), ("uplink", "yes"),
    ]  # fmt: skip
    assert passed(lines)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (None, "this agent has no such source"),
        ({"loop": SourceState("kernel", "not_supported", 0, "kernel events need root")}, "kernel events need root"),
        ({"loop": SourceState("kernel", "starting")}, "starting"),
        ({"loop": RUNS.loop}, "the source runs, but no event came in time"),
        ({"loop": RUNS.loop, "details": {"note": "auditing is off"}}, "auditing is off"),
        ({"loop": RUNS.loop, "details": {"refused": {"fork": "EPERM"}}}, "fork refused: EPERM"),
    ],
)
def test_what_does_not_come_has_a_reason(report: dict[str, Any] | None, reason: str) -> None:
    reports = [] if report is None else [SourceReport(**report)]
    lines = results([CHECK], status(*reports, marker="another"), MARKER)
    assert (lines[0].delivered, lines[0].source) == ("no", "kernel")
    assert lines[0].reason.endswith(reason)
    assert not passed(lines)


def test_a_source_that_nothing_tries_is_a_line_too() -> None:
    absent = SourceReport(loop=SourceState("sessions", "not_supported", 0, "there is no /proc"))
    lines = results([CHECK], status(RUNS, absent), MARKER)
    assert msgspec.structs.astuple(lines[1])[2:] == ("sessions", "not here", "there is no /proc")
    waiting = SourceReport(loop=SourceState("sessions", "waiting", 2, "it broke"))
    lines = results([CHECK], status(RUNS, waiting), MARKER)
    assert msgspec.structs.astuple(lines[1])[2:] == ("sessions", "no", "waiting: it broke")


def test_a_log_that_the_host_does_not_keep_is_no_failure_and_not_waited_for() -> None:
    check = Check(act="write", event="os_log", source="journald", only=True)
    absent = SourceReport(loop=SourceState("journald", "not_supported", 0, "no journal"))
    lines = results([check], status(absent), MARKER)
    assert (lines[0].delivered, lines[0].reason, passed(lines)) == ("not here", "no journal", True)
    assert missing([check], status(absent), MARKER) == []
    off = SourceReport(loop=SourceState("journald", "running"), details={"note": "it is off"})
    assert missing([check], status(off), MARKER) == []
    lines = results([check], status(off), MARKER)
    assert (lines[0].delivered, lines[0].reason) == ("no", "it is off")


def test_the_same_event_from_another_log_does_not_count() -> None:
    check = Check(act="write", event="process_start", source="journald", only=True)
    runs = SourceReport(loop=SourceState("journald", "running"))
    assert missing([check], status(runs, by="audit"), MARKER) == [check]
    assert missing([check], status(runs, by="journald"), MARKER) == []


def test_a_server_that_does_not_answer_is_a_line_too() -> None:
    lines = results([CHECK], status(RUNS, link="offline"), MARKER)
    assert (lines[-1].delivered, lines[-1].reason) == ("no", "offline: nobody answers")
