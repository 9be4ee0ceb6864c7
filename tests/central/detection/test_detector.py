"""Engines over a batch: what they find, and what a failing one costs."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.central.detection.conftest import AGENT, EPOCH, TIME, MakeBatch

from vedette.central.detection.chains import Chains
from vedette.central.detection.detector import FAILED, FAILURES, Detected, Detector
from vedette.central.detection.endpoint import EndpointDetections
from vedette.central.detection.exclude import Exclusions
from vedette.central.detection.rows import Row
from vedette.engines.events import Finding, RuleFacts
from vedette.schema.alerts import Severity, Technology
from vedette.schema.entities import Blocked, Detect, File, FileIdentity, Parent, Prevention, Process, User
from vedette.schema.events.process import ProcessStart
from vedette.schema.events.protection import EppDetect, FileBlock, ProcessBlock
from vedette.schema.exclusions import Exclusion
from vedette.schema.identity import event_id
from vedette.wire.merge import Batch

EVIL = File(path="/tmp/Evil [1].sh", sha256="5" * 64)
ROOT, CHILD = Process(entity_id="1" * 32, pid=7), Process(entity_id="2" * 32, pid=8)


def start(process: Process, parent: str = "", name: str = "bash") -> ProcessStart:
    """Give the start of a process by another."""
    found = Parent(entity_id=parent, file=FileIdentity(name=name)) if parent else None
    return ProcessStart(
        time=TIME, user=User(name="ann"),
        process=Process(entity_id=process.entity_id, pid=process.pid, file=EVIL, parent=found),
    )  # fmt: skip


class EveryEvent:
    """An engine that finds something in every event."""

    technology = Technology.TAA

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        for row in range(batch.rows):
            yield Finding(rule="r", row=row, because={"row": str(row)})

    def facts(self, rule: str) -> RuleFacts:
        return RuleFacts(id=rule, title="T", level="medium", techniques=("T1059",), tactics=("execution",))


class Remembering(EveryEvent):
    """One that also counts the batches it has seen."""

    seen = 0

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        self.seen += 1
        return super().inspect(batch)

    def state(self, since: int) -> bytes:
        return b"%d since %d" % (self.seen, since)


class Broken(EveryEvent):
    """One that raises at its second finding."""

    technology = Technology.IOC

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        yield from super().inspect(batch)
        raise ZeroDivisionError("by zero")


def detector(*engines: Any, **more: Any) -> Detector:
    return Detector(engines, lambda: TIME, **more)


def test_a_finding_has_what_people_need(make_batch: MakeBatch) -> None:
    batch = make_batch([start(ROOT, "0" * 32, "sshd"), start(CHILD, ROOT.entity_id or "")])
    first, second = detector(EveryEvent()).detect(batch).findings
    assert (first.tenant, first.technology, first.rule, first.title, first.severity, first.host) == (
        "default", Technology.TAA, "r", "T", Severity.MEDIUM, AGENT,
    )  # fmt: skip
    assert (second.event, second.time, second.users) == (event_id(AGENT, EPOCH, 2), TIME, ("ann",))
    assert (second.techniques, second.tactics, second.because) == (("T1059",), ("execution",), {"row": "1"})
    assert first.chain == second.chain == ROOT.entity_id


def test_a_chain_begins_below_what_starts_everything_and_never_runs_in_circles(make_batch: MakeBatch) -> None:
    chains = Chains(kept=3)
    ids = [str(number) * 32 for number in range(6)]
    chains.learn(
        make_batch([start(Process(entity_id=ids[n + 1], pid=n), ids[n], "SSHD" if n == 0 else "sh") for n in range(3)])
    )
    assert [chains.root(one) for one in ids[:4]] == [ids[0], ids[1], ids[1], ids[1]]
    chains.learn(make_batch([start(Process(entity_id=ids[2], pid=1), ids[3])]))
    assert chains.root(ids[3]) in ids
    chains.learn(make_batch([start(Process(entity_id=ids[5], pid=1), ids[5]), start(ROOT)]))
    assert chains.root(ids[5]) == ids[5]
    assert (chains.root("f"), chains.root("")) == ("f", "")


def test_a_failing_engine_costs_its_own_findings_and_is_given_up_with_an_alert(make_batch: MakeBatch) -> None:
    batch = make_batch([start(ROOT)])
    looking = detector(Broken(), EveryEvent())
    for number in range(FAILURES):
        found = looking.detect(batch)
        assert [one.technology for one in found.findings] == [Technology.TAA]
        (trouble,) = found.troubles
        assert (trouble.rule, trouble.chain, trouble.technology) == (FAILED, "ioc", Technology.HEALTH)
        assert "by zero" in trouble.why["error"]
        assert ("left out" in trouble.why["what follows"]) is (number == FAILURES - 1)
    assert looking.detect(batch).troubles == ()
    looking.replace([Broken()], {})
    assert len(looking.detect(batch).troubles) == 1


def test_an_engine_over_its_time_is_stopped(make_batch: MakeBatch) -> None:
    spent = iter(range(0, 1000, 4))
    found = detector(EveryEvent(), cpu=lambda: float(next(spent))).detect(make_batch([start(ROOT)] * 5))
    assert found.findings == ()
    assert "more time" in found.troubles[0].why["error"]


def test_states_and_hits_of_portions_are_joined(make_batch: MakeBatch) -> None:
    looking = detector(Remembering())
    whole = Detected() + looking.detect(make_batch([start(ROOT)])) + looking.detect(make_batch([start(ROOT)], first=2))
    assert len(whole.findings) == 2
    assert whole.states["taa"].startswith(b"2 since")
    assert (Detected(hits={"a": 1}) + Detected(hits={"a": 2, "b": 1})).hits == {"a": 3, "b": 1}


def test_a_rule_of_one_tenant_finds_nothing_in_another(make_batch: MakeBatch) -> None:
    batch = make_batch([start(ROOT)], tenant="b")
    assert detector(EveryEvent(), scopes={"r": "default"}).detect(batch).findings == ()
    assert len(detector(EveryEvent(), scopes={"r": "b"}).detect(batch).findings) == 1


@pytest.mark.parametrize(
    ("wanted", "covered"),
    [
        ({"rule": "r"}, True),
        ({"rule": "q"}, False),
        ({"host": AGENT}, True),
        ({"host": "b"}, False),
        ({"user": "ann"}, True),
        ({"user": "bob"}, False),
        ({"sha256": "5" * 64}, True),
        ({"sha256": "6" * 64}, False),
        ({"path": "/TMP/evil [?].*"}, True),
        ({"path": "*\\evil*"}, False),
        ({"path": "/tmp/Evil _1].sh"}, False),
        ({"path": "/tmp"}, False),
        ({"rule": "r", "path": "/tmp/*", "user": "bob"}, False),
        ({"rule": "r", "tenant": "b"}, False),
        ({"rule": "r", "expires": TIME}, False),
        ({"rule": "r", "expires": TIME + 1}, True),
    ],
)
def test_an_exclusion_covers_what_fits_all_that_it_names(
    make_batch: MakeBatch, wanted: dict[str, Any], *, covered: bool
) -> None:
    values: dict[str, Any] = {"id": "x", "tenant": "default", "created": 1, "created_by": "", "hits": 0}
    one = Exclusion(**values | {"last_hit": None} | wanted)
    found = detector(EveryEvent(), exclusions=Exclusions([one])).detect(make_batch([start(ROOT)]))
    assert (found.findings == (), found.hits == {"x": 1}) == (covered, covered)


def test_a_windows_path_is_matched_with_its_backslashes(make_batch: MakeBatch) -> None:
    batch = make_batch([ProcessStart(time=TIME, process=Process(file=File(path="C:\\Users\\_x\\a%.exe")))])
    row, hits = Row(batch, 0), Counter[str]()
    for path, covered in (("c:\\users\\*\\a%.exe", True), ("c:\\users\\_x\\b*", False), ("c:users*", False)):
        one = Exclusion(id="x", tenant="default", created=1, created_by="", hits=0, last_hit=None, path=path)
        assert Exclusions([one]).cover("r", row, now=TIME, hits=hits) is covered


def test_what_agents_detected_and_stopped_is_found(make_batch: MakeBatch) -> None:
    detect = Detect(engine="yara", result="detected", category="EICAR", record_id="builtin/eicar.yar:EICAR")
    events = [
        EppDetect(time=TIME, detect=detect, file=EVIL, process=CHILD),
        EppDetect(time=TIME, detect=Detect(engine="clamav", record_id="Win.Test"), file=EVIL),
        ProcessBlock(time=TIME, file=EVIL, blocked=Blocked(command_line="sh x"), prevention=Prevention(rule_id="p1")),
        FileBlock(time=TIME, file=EVIL, process=CHILD),
        start(ROOT),
    ]
    looking = detector(EndpointDetections(Technology.AM), EndpointDetections(Technology.YARA))
    found = looking.detect(make_batch(events))
    told = sorted((one.technology.value, one.rule, one.title) for one in found.findings)
    assert told == [
        ("am", "clamav:Win.Test", "Win.Test was found"),
        ("am", "file-block", "A file that a prevention rule forbids was not opened"),
        ("am", "process-block:p1", "A program that a prevention rule forbids was stopped"),
        ("yara", "yara:EICAR", "EICAR was found"),
    ]
    of_yara = next(one for one in found.findings if one.technology is Technology.YARA)
    assert of_yara.because["file.path"] == EVIL.path
    assert of_yara.chain == CHILD.entity_id
    assert found.troubles == ()
