"""The Linux rows about the operating system's log and about who logged in from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.acceptance.linux_rows import SLACK
from tests.acceptance.questions import Event, Events, digits, equal, need
from tests.acceptance.ssh_scene import ACCOUNT, SshScene


class Found(Events[SshScene]):
    """The events of the scene. Every question names what is missing."""

    @property
    def login(self) -> Event:
        return self.one("os_log", oslog__type="USER_LOGIN", oslog__result="success")

    @property
    def refused(self) -> Event:
        return self.one("os_log", oslog__type="USER_LOGIN", oslog__result="failure")

    @property
    def failed_su(self) -> Event:
        return self.one("os_log", oslog__type="USER_AUTH", process__file__name="su")

    @property
    def program(self) -> Event:
        path = f"{self.scene.folder}/act-{self.scene.mark}"
        return self.one("process_start", process__file__path=path)


def truth(found: Found) -> Mapping[str, Any]:
    return found.scene.truth


def remote_host(found: Found) -> None:
    equal(found.program, "session.remote_host", "127.0.0.1")
    equal(found.program, "session.remote_source", "audit")
    equal(found.program, "session.id", truth(found)["session"])
    equal(found.program, "session.user", ACCOUNT)
    equal(found.failed_su, "session.remote_host", "127.0.0.1")


def log_time(found: Found) -> None:
    lower, upper = truth(found)["started"] - SLACK, truth(found)["ended"] + SLACK
    for event in (found.login, found.refused, found.failed_su):
        value = event.get("event.time")
        need(that=isinstance(value, int) and lower <= value <= upper, what="event.time within the scene", got=value)
    need(
        that=found.login["event.time"] < found.failed_su["event.time"] < found.refused["event.time"],
        what="the order in which it was done", got=found.failed_su["event.time"],
    )  # fmt: skip


def log_type(found: Found) -> None:
    equal(found.login, "oslog.type", "USER_LOGIN")
    equal(found.login, "auth.subtype", "logon")
    equal(found.failed_su, "oslog.type", "USER_AUTH")
    equal(found.failed_su, "oslog.source", "audit")


def log_result(found: Found) -> None:
    equal(found.login, "oslog.result", "success")
    equal(found.failed_su, "oslog.result", "failure")
    equal(found.failed_su, "auth.subtype", "logon_failed")
    equal(found.refused, "oslog.result", "failure")
    equal(found.refused, "auth.remote_ip", "127.0.0.1")


def log_parent(found: Found) -> None:
    event = found.failed_su
    shell = truth(found)["shell"]
    for leaf in ("path", "directory", "md5", "sha256"):
        equal(event, f"process.parent.file.{leaf}", shell[leaf])
    digits(event, "process.parent.entity_id")
    equal(event, "process.parent.command_line", f"sh -c {truth(found)['inside']}")
    equal(event, "process.command_line", "su root -c true")
    digits(event, "process.entity_id")


ROWS: dict[str, Callable[[Found], None]] = {
    "L-GEN-07": remote_host,
    "L-OL-01": log_time,
    "L-OL-02": log_type,
    "L-OL-03": log_result,
    "L-OL-04": log_parent,
}
"""Row -> what must hold of the events that a hunt gives back."""
