"""The endpoint protection rows, live: written and executed objects are scanned on this host and read back by a hunt."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.epp_scene import THREAT, EppScene
from tests.acceptance.questions import RowError, digits, equal, need
from tests.acceptance.watched import Watched
from tests.conftest import Deployment

pytestmark = [pytest.mark.root, pytest.mark.slow]

Event = Mapping[str, Any]


class Found:
    """The events of the scene; every question names what is missing."""

    def __init__(self, events: list[dict[str, Any]], scene: EppScene) -> None:
        self.events, self.scene = events, scene

    def of(self, name: str, *, kind: str = "epp_detect", mode: str = "on_access") -> Event:
        """Give the event of that kind about the object `name` of the scene."""
        path = self.scene.truth[name]["path"]
        for event in self.events:
            if (event.get("event.type"), event.get("file.path")) == (kind, path) and event.get("detect.mode") == mode:
                return event
        raise RowError(f"no {kind} of {path} {mode} among {len(self.events)} events")

    def detections(self) -> Iterator[tuple[str, Event]]:
        """Give what must have been detected: (object of the scene, event)."""
        yield "eicar", self.of("eicar")
        yield "program", self.of("program", mode="on_exec")
        yield "program", self.of("program", mode="on_exec", kind="epp_result")

    def refusals(self) -> Iterator[tuple[str, Event]]:
        yield "large", self.of("large", kind="epp_result")
        yield "locked", self.of("locked", kind="epp_result")


def result(found: Found) -> None:
    for _, event in found.detections():
        equal(event, "detect.result", "detected")
    for _, event in found.refusals():
        equal(event, "detect.result", "not_scanned")


def object_name(found: Found) -> None:
    for name, event in (*found.detections(), *found.refusals()):
        equal(event, "detect.object_name", found.scene.truth[name]["path"])


def record(found: Found) -> None:
    equal(found.of("eicar"), "detect.record_id", "builtin/eicar.yar:EICAR_Test_File")
    equal(found.of("program", mode="on_exec"), "detect.record_id", f"own.yar:Marked_{found.scene.mark}")


def release(found: Found) -> None:
    for _, event in found.detections():
        equal(event, "detect.db_time", found.scene.rule_released)


def mode(found: Found) -> None:
    equal(found.of("eicar"), "detect.mode", "on_access")
    equal(found.of("program"), "detect.mode", "on_access")
    equal(found.of("program", mode="on_exec"), "detect.mode", "on_exec")


def category(found: Found) -> None:
    equal(found.of("eicar"), "detect.category", "EICAR-Test-File")
    equal(found.of("program", mode="on_exec"), "detect.category", THREAT)


def digest(kind: str) -> Callable[[Found], None]:
    def check(found: Found) -> None:
        for name, event in (*found.detections(), ("locked", found.of("locked", kind="epp_result"))):
            equal(event, f"detect.object_{kind}", found.scene.truth[name][kind])

    return check


def unique_pid(found: Found) -> None:
    for name, event in found.detections():
        digits(event, "process.entity_id")
        command = found.scene.truth[name]["command"]
        starts = [
            one.get("process.entity_id")
            for one in found.events
            if one.get("event.type") == "process_start" and one.get("process.command_line") == command
        ]
        need(that=event["process.entity_id"] in starts, what="the process that started so", got=starts)


def pid(found: Found) -> None:
    for name, event in found.detections():
        equal(event, "process.pid", found.scene.truth[name]["pid"])


def command_line(found: Found) -> None:
    for name, event in found.detections():
        equal(event, "process.command_line", found.scene.truth[name]["command"])


def error_reason(found: Found) -> None:
    large = str(found.of("large", kind="epp_result").get("detect.error_reason"))
    told = re.match(r"too_large: (\d+) bytes, limit (\d+)", large)
    need(that=told is not None, what="detect.error_reason tells sizes", got=large)
    locked = str(found.of("locked", kind="epp_result").get("detect.error_reason"))
    need(that=locked.startswith("encrypted"), what="detect.error_reason of an archive with a password", got=locked)


ROWS: dict[str, Callable[[Found], None]] = {
    "L-EP-01": result,
    "L-EP-02": object_name,
    "L-EP-03": record,
    "L-EP-04": release,
    "L-EP-05": mode,
    "L-EP-06": category,
    "L-EP-07": digest("md5"),
    "L-EP-08": digest("sha256"),
    "L-EP-09": unique_pid,
    "L-EP-10": pid,
    "L-EP-11": command_line,
    "L-EP-12": error_reason,
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="vedette-epp-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def found(make_deployment: Callable[[], Deployment], folder: Path) -> Found:
    mark = uuid.uuid4().hex[:12]
    scene = EppScene(folder=folder, mark=mark, rule_released=time.time_ns() // 1000 - 3_600_000_000)
    deployment = make_deployment()
    deployment.start_central()
    scene.place_rule(deployment.enrol())
    deployment.start_agent()
    deployment.wait_for("event.type:*", seconds=60)
    scene.play()
    about = f"(file.path:*{mark}* OR process.command_line:*{mark}*)"
    for name in ("eicar", "program", "locked", "large"):
        deployment.wait_for(f'event.type:epp_result AND file.path:"{scene.truth[name]["path"]}"', seconds=60)
    deployment.wait_for(f"event.type:epp_detect AND detect.mode:on_exec AND file.path:*{mark}*", seconds=60)
    return Found(deployment.hunt(about, "--limit", "1000"), scene)


@pytest.mark.parametrize("row", sorted(ROWS))
@pytest.mark.acceptance
def test_row_arrives_in_the_hunt(row: str, found: Found) -> None:
    ROWS[row](found)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_row_fails_when_any_of_its_fields_is_blank(row: str, found: Found) -> None:
    """Each field that the row's check reads is blanked alone, in the true events."""
    read: set[str] = set()
    ROWS[row](Found([Watched(event, read) for event in found.events], found.scene))
    assert any(name.startswith(("detect.", "process.")) for name in read)
    for name in read - {"event.type", "file.path"}:
        events = [{key: value for key, value in event.items() if key != name} for event in found.events]
        with pytest.raises((RowError, KeyError)):
            ROWS[row](Found(events, found.scene))


def test_each_object_is_reported_once(found: Found) -> None:
    seen = [
        (event["event.type"], event["file.path"], event["detect.mode"], event["process.entity_id"])
        for event in found.events
        if event["event.type"] in ("epp_detect", "epp_result")
    ]
    assert len(seen) == len(set(seen))
