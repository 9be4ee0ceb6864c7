"""Logins, terminal sessions and log events, live: a real sshd on loopback, read back by a hunt."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.linux_log_rows import ROWS, Found
from tests.acceptance.questions import RowError
from tests.acceptance.ssh_scene import ACCOUNT, SshScene, auditing, fetch
from tests.acceptance.watched import Watched
from tests.conftest import Deployment

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def scene() -> Iterator[SshScene]:
    fetch()
    mark = uuid.uuid4().hex[:12]
    folder = Path(tempfile.mkdtemp(prefix=f"vedette-ssh-{mark}-", dir="/var/tmp"))
    scene = SshScene(folder, mark)
    with auditing():
        yield scene
        scene.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def deployment(make_deployment: Callable[[], Deployment], scene: SshScene) -> Deployment:
    deployment = make_deployment()
    deployment.start_central()
    deployment.enrol()
    deployment.start_agent()
    deployment.wait_for("event.type:*", seconds=60)
    scene.start()
    scene.play()
    return deployment


@pytest.fixture(scope="module")
def found(deployment: Deployment, scene: SshScene) -> Found:
    mark = scene.mark
    deployment.wait_for(f"event.type:os_log AND oslog.type:USER_AUTH AND process.parent.command_line:*{mark}*")
    deployment.wait_for(f"event.type:os_log AND oslog.result:failure AND process.command_line:*{mark}*sshd*")
    deployment.wait_for(f"event.type:process_start AND process.file.path:*act-{mark}")
    query = f"process.command_line:*{mark}* OR process.parent.command_line:*{mark}* OR process.file.path:*{mark}*"
    return Found(deployment.hunt(query, "--limit", "500"), scene)


@pytest.mark.parametrize("row", sorted(ROWS))
@pytest.mark.acceptance
def test_row_arrives_in_the_hunt(row: str, found: Found) -> None:
    ROWS[row](found)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_row_fails_when_any_of_its_fields_is_blank(row: str, found: Found) -> None:
    """Each field that the row's check reads is blanked alone, in the true events."""
    read: set[str] = set()
    ROWS[row](Found([Watched(event, read) for event in found.events], found.scene))
    for name in read - {"event.type", "process.file.path", "process.file.name"}:
        events = [{key: value for key, value in event.items() if key != name} for event in found.events]
        with pytest.raises((RowError, KeyError)):
            ROWS[row](Found(events, found.scene))


def test_the_terminal_session_has_start_end_user_remote_host_and_terminal(
    deployment: Deployment, scene: SshScene
) -> None:
    query = f"event.type:terminal_session AND session.id:{scene.truth['session']} AND session.user:{ACCOUNT}"
    events = deployment.wait_for(query, count=2)
    by_state = {event["session.state"]: event for event in events}
    assert len(events) == 2
    for event in (by_state["active"], by_state["closed"]):
        assert event["session.remote_host"] == "127.0.0.1"
        assert event["session.type"] == "remote"
        assert event["session.tty"] == scene.truth["tty"]
        assert event["user.name"] == ACCOUNT
    assert by_state["active"].get("session.end") is None
    started, ended = by_state["closed"]["session.start"], by_state["closed"]["session.end"]
    assert scene.truth["started"] - 1_000_000 < started < ended < scene.truth["ended"] + 1_000_000


def test_the_processes_of_the_session_are_found_by_the_host_it_came_from(
    deployment: Deployment, scene: SshScene
) -> None:
    query = f"event.type:process_start AND session.remote_host:127.0.0.1 AND session.id:{scene.truth['session']}"
    deployment.wait_for(f"{query} AND process.file.name:su")
    programs = {event["process.command_line"] for event in deployment.hunt(query)}
    assert "su root -c true" in programs
    assert f"sh -c {scene.truth['inside']}" in programs
