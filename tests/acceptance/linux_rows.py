"""The Linux rows that the kernel's own events prove: for each, which events must exist and what they must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.acceptance.questions import Event, Events, digits, equal, need
from tests.acceptance.scene import EFFECTIVE, LOGIN, REAL, Scene

SLACK = 2_000_000
"""Microseconds by which the kernel's clock and ours may differ around the scene."""


ARRIVAL = 60_000_000
"""Microseconds within which an event must have arrived, however busy the machine."""


def within(event: Event, name: str, scene: Scene) -> None:
    value = event.get(name)
    lower, upper = scene.started - SLACK, scene.ended + SLACK
    need(that=isinstance(value, int) and lower <= value <= upper, what=f"{name} within the scene", got=value)


def file_facts(event: Event, prefix: str, truth: Mapping[str, Any], *leaves: str) -> None:
    for leaf in leaves:
        equal(event, f"{prefix}.{leaf}", truth[leaf])


WHOLE = ("name", "directory", "path", "md5", "sha256", "size")


class Found(Events[Scene]):
    """The events of the scene, by what they are. Every question names what is missing."""

    @property
    def start(self) -> Event:
        return self.one("process_start", process__file__path=str(self.scene.program))

    @property
    def stop(self) -> Event:
        return self.one("process_stop", process__file__path=str(self.scene.program))

    @property
    def made(self) -> Event:
        return self.one("file_create", file__path=str(self.scene.document))


def shell(found: Found) -> Mapping[str, Any]:
    truth: Mapping[str, Any] = found.scene.truth["shell"]
    return truth


def general_type(found: Found) -> None:
    for event, kind in ((found.start, "process_start"), (found.stop, "process_stop"), (found.made, "file_create")):
        equal(event, "event.type", kind)


def general_time(found: Found) -> None:
    for event in (found.start, found.stop, found.made):
        within(event, "event.time", found.scene)
        lag = event["event.received"] - event["event.time"]
        need(that=0 <= lag < ARRIVAL, what="event.received soon after event.time", got=lag)


def general_user(found: Found) -> None:
    equal(found.made, "user.name", "root")
    equal(found.start, "user.name", EFFECTIVE)


def general_host(found: Found) -> None:
    equal(found.start, "host.name", found.scene.truth["host.name"])


def general_address(found: Found) -> None:
    value = found.start.get("host.ip")
    need(that=isinstance(value, list) and bool(value), what="host.ip lists addresses", got=value)
    for one in value or []:
        need(that=one in found.scene.truth["addresses"], what="host.ip is an address of this host", got=one)


def general_os(found: Found) -> None:
    equal(found.start, "os.family", "linux")
    equal(found.start, "os.version", found.scene.truth["os.version"])


def real_user(found: Found) -> None:
    equal(found.start, "user.real.name", REAL)


def real_group(found: Found) -> None:
    equal(found.start, "user.real.group", REAL)


def effective_user(found: Found) -> None:
    equal(found.start, "user.effective.name", EFFECTIVE)
    equal(found.start, "user.login.name", LOGIN)


def effective_group(found: Found) -> None:
    equal(found.start, "user.effective.group", "nogroup")
    equal(found.start, "user.login.group", LOGIN)


def file_owner(found: Found) -> None:
    equal(found.made, "file.owner", "root")
    equal(found.start, "process.file.owner", EFFECTIVE)


def file_group(found: Found) -> None:
    equal(found.made, "file.group", "root")
    equal(found.start, "process.file.group", "nogroup")


def file_mode(found: Found) -> None:
    equal(found.made, "file.mode", "0640")
    equal(found.start, "process.file.mode", "6755")


def inherited(found: Found) -> None:
    equal(found.made, "file.inherited_privileges", "")
    value = found.start.get("process.file.inherited_privileges")
    need(that=value == "setuid,setgid", what="process.file.inherited_privileges", got=value)


def start_file(found: Found) -> None:
    file_facts(found.start, "process.file", found.scene.truth["program"], *WHOLE)


def unique_pid(found: Found) -> None:
    digits(found.start, "process.entity_id")
    digits(found.start, "process.parent.entity_id")
    need(
        that=found.start["process.entity_id"] != found.start.get("process.parent.entity_id"),
        what="the parent is another process", got=found.start["process.entity_id"],
    )  # fmt: skip


def command(found: Found) -> None:
    equal(found.start, "process.args", [str(found.scene.program), "0.3", "0.1"])
    equal(found.start, "process.command_line", f"{found.scene.program} 0.3 0.1")


def process_type(found: Found) -> None:
    value = str(found.start.get("process.kind"))
    need(that="setuid" in value.split(","), what="process.kind tells setuid", got=value)


def environment(found: Found) -> None:
    value = found.start.get("process.env") or {}
    need(that=value.get("VEDETTE_MARK") == found.scene.mark, what="process.env has the variable", got=value)
    secret = value.get("VEDETTE_SECRET_TOKEN")
    need(that=secret not in (None, "do-not-store-me"), what="the secret's value is replaced", got=secret)


def start_time(found: Found) -> None:
    within(found.start, "process.start_time", found.scene)


def end_time_joined(found: Found) -> None:
    within(found.start, "process.end_time", found.scene)
    equal(found.start, "process.end_time", found.stop.get("process.end_time"))
    lived = found.start["process.end_time"] - found.start["process.start_time"]
    need(that=350_000 < lived < SLACK, what="it slept 0.4 s", got=lived)


def parent_of(event: Event, found: Found) -> None:
    file_facts(event, "process.parent.file", shell(found), "path", "directory", "md5", "sha256")
    digits(event, "process.parent.entity_id")
    expected = f'/bin/sh -c {found.scene.program} 0.3 "0.1" ; true'
    equal(event, "process.parent.command_line", expected)


def start_parent(found: Found) -> None:
    parent_of(found.start, found)
    parent = found.one("process_start", process__entity_id=found.start["process.parent.entity_id"])
    equal(parent, "process.file.path", shell(found)["path"])


def maker(found: Found) -> None:
    file_facts(found.made, "process.file", found.scene.truth["python"], "name", "md5", "sha256")


def document_fact(*leaves: str) -> Callable[[Found], None]:
    def check(found: Found) -> None:
        file_facts(found.made, "file", found.scene.truth["document"], *leaves)

    return check


def document_type(found: Found) -> None:
    value = str(found.made.get("file.type"))
    need(that=value.startswith("regular") and "text" in value, what="file.type", got=value)


def document_dates(found: Found) -> None:
    within(found.made, "file.created", found.scene)
    within(found.made, "file.modified", found.scene)


def stop_file(found: Found) -> None:
    file_facts(found.stop, "process.file", found.scene.truth["program"], *WHOLE)
    within(found.stop, "process.end_time", found.scene)


def stop_id(found: Found) -> None:
    digits(found.stop, "process.entity_id")
    equal(found.stop, "process.entity_id", found.start.get("process.entity_id"))


def stop_command(found: Found) -> None:
    equal(found.stop, "process.command_line", f"{found.scene.program} 0.3 0.1")


def stop_parent(found: Found) -> None:
    parent_of(found.stop, found)


ROWS: dict[str, Callable[[Found], None]] = {
    "L-GEN-01": general_type,
    "L-GEN-02": general_time,
    "L-GEN-03": general_user,
    "L-GEN-04": general_host,
    "L-GEN-05": general_address,
    "L-GEN-06": general_os,
    "L-GEN-08": real_user,
    "L-GEN-09": real_group,
    "L-GEN-10": effective_user,
    "L-GEN-11": effective_group,
    "L-GEN-12": file_owner,
    "L-GEN-13": file_group,
    "L-GEN-14": file_mode,
    "L-GEN-15": inherited,
    "L-PS-01": start_file,
    "L-PS-02": unique_pid,
    "L-PS-03": command,
    "L-PS-04": process_type,
    "L-PS-05": environment,
    "L-PS-06": start_time,
    "L-PS-07": end_time_joined,
    "L-PS-08": start_parent,
    "L-FC-01": maker,
    "L-FC-02": document_fact("name"),
    "L-FC-03": document_fact("directory"),
    "L-FC-04": document_fact("path"),
    "L-FC-05": document_type,
    "L-FC-06": document_fact("md5", "sha256"),
    "L-FC-07": document_dates,
    "L-FC-08": document_fact("size"),
    "L-PE-01": stop_file,
    "L-PE-02": stop_id,
    "L-PE-03": stop_command,
    "L-PE-04": stop_parent,
}
"""Row -> what must hold of the events that a hunt gives back."""
