"""What a Linux agent sends, live, over a real upgrade of itself: task reports, events, alerts, terminal sessions."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.epp_scene import EppScene
from tests.acceptance.ssh_scene import ACCOUNT, SshScene, auditing, fetch
from tests.conftest import Deployment, until
from tests.release_archive import build_release

from vedette import __version__

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

NEXT = "9.0.1"
PROGRAMS = 100
"""Programs that run before, while and after the agent is replaced."""
LONG = 240
"""Seconds: the store shares two cores with the rest."""
Event = dict[str, Any]


@dataclass
class Upgraded:
    """A deployment whose agent was replaced while things went on, and what was done."""

    deployment: Deployment
    folder: Path
    mark: str
    identity: bytes
    rollout: str = ""
    truth: dict[str, Any] = field(default_factory=dict)

    def run_programs(self, phase: str) -> None:
        """Run programs one after another; each has its number in its arguments."""
        for number in range(PROGRAMS):
            subprocess.run(["/bin/true", f"{self.mark}-{phase}-{number:03d}"], check=True)

    def reports(self) -> list[Event]:
        """Give the task reports of the upgrade, oldest first."""
        query = f"event.type:task_report AND task.object:{NEXT}"
        return sorted(self.deployment.hunt(query), key=lambda event: int(event["event.sequence"]))


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshScene]:
    fetch()
    mark = uuid.uuid4().hex[:12]
    scene = SshScene(Path(tempfile.mkdtemp(prefix=f"vedette-ssh-{mark}-", dir="/var/tmp")), mark)
    with auditing():
        yield scene
        scene.stop()
    shutil.rmtree(scene.folder)


@pytest.fixture(scope="module")
def upgraded(
    make_deployment: Callable[[], Deployment], ssh: SshScene, tmp_path_factory: pytest.TempPathFactory
) -> Upgraded:
    deployment = make_deployment()
    deployment.start_central()
    data = deployment.enrol()
    deployment.vedette("settings", "set", "default", "download_rate=4000000")
    deployment.launch_agent()
    deployment.wait_for_agent()
    folder = tmp_path_factory.mktemp("release")
    done = Upgraded(deployment, folder, uuid.uuid4().hex[:12], (data / "identity.json").read_bytes())
    done.run_programs("before")
    deployment.vedette("upgrades", "add", str(build_release(folder, NEXT)), seconds=120)
    done.rollout = deployment.json_lines("upgrades", "start", NEXT)[0]["id"]
    deployment.wait_for(f"event.type:task_report AND task.object:{NEXT} AND task.step:download", seconds=LONG)
    done.run_programs("during")
    deployment.wait_for(f"event.type:task_report AND task.object:{NEXT} AND task.state:done", seconds=LONG)
    deployment.wait_for_agent()
    done.run_programs("after")
    ssh.start()
    ssh.play()
    epp = EppScene(folder, done.mark, rule_released=time.time_ns() // 1000)
    done.truth["eicar"] = epp.write_eicar()
    return done


@pytest.mark.acceptance("T-04")
def test_a_linux_agent_sends_task_reports_events_alerts_and_terminal_sessions(
    upgraded: Upgraded, ssh: SshScene
) -> None:
    reports = upgraded.reports()
    assert {report["task.type"] for report in reports} == {"upgrade"}
    assert len({report["task.id"] for report in reports}) == 1
    running = [report for report in reports if report["task.state"] == "running"]
    steps = [report["task.step"] for report in running]
    assert list(dict.fromkeys(steps)) == ["download", "unpack", "trial"]
    parts = [report["task.progress"] for report in running if report["task.step"] == "download"]
    assert parts == sorted(parts)
    assert parts[-1] == running[0]["task.total"]
    assert reports[0]["task.state"] == "accepted"
    end = reports[-1]
    assert (end["task.state"], end.get("task.error")) == ("done", None)
    assert end["task.started"] <= end["task.finished"] <= end["event.received"]

    starts = upgraded.deployment.wait_for(
        f"event.type:process_start AND process.file.name:true AND process.command_line:*{upgraded.mark}-after-*",
        count=PROGRAMS,
        seconds=LONG,
    )
    assert len(starts) == PROGRAMS
    (alert,) = upgraded.deployment.wait_for(
        f"event.type:epp_detect AND file.path:*eicar-{upgraded.mark}.com AND detect.mode:on_access", seconds=LONG
    )
    assert alert["detect.category"] == "EICAR-Test-File"
    assert alert["detect.object_sha256"] == upgraded.truth["eicar"]["sha256"]

    query = f"event.type:terminal_session AND session.id:{ssh.truth['session']} AND session.user:{ACCOUNT}"
    sessions = upgraded.deployment.wait_for(query, count=2, seconds=LONG)
    assert {event["session.state"] for event in sessions} == {"active", "closed"}
    assert {event["session.remote_host"] for event in sessions} == {"127.0.0.1"}


def test_events_before_while_and_after_an_upgrade_arrive_once_and_in_order(upgraded: Upgraded) -> None:
    query = f"event.type:process_start AND process.file.name:true AND process.command_line:*{upgraded.mark}-*"
    found = upgraded.deployment.wait_for(query, "--limit", "1000", count=3 * PROGRAMS, seconds=LONG)
    ordered = sorted(found, key=lambda event: int(event["event.sequence"]))
    told = [event["process.command_line"].rpartition(f"{upgraded.mark}-")[2] for event in ordered]
    phases = ("before", "during", "after")
    assert told == [f"{phase}-{number:03d}" for phase in phases for number in range(PROGRAMS)]
    data = upgraded.deployment.root / "agent"
    assert (data / "identity.json").read_bytes() == upgraded.identity
    streams = upgraded.deployment.json_lines("ledger", json.loads(upgraded.identity)["agent"])
    assert len({stream["epoch"] for stream in streams}) == 1


def test_the_moment_without_an_agent_is_told(upgraded: Upgraded) -> None:
    (gap,) = upgraded.deployment.wait_for("event.type:telemetry_gap AND gap.reason:upgrade", seconds=LONG)
    assert 0 < gap["gap.end"] - gap["gap.start"] < 60_000_000
    before, after = (
        upgraded.deployment.wait_for(f"event.type:process_start AND process.command_line:*{part}", seconds=LONG)
        for part in (f"{upgraded.mark}-during-099", f"{upgraded.mark}-after-000")
    )
    assert before[0]["event.time"] < gap["gap.start"] < gap["gap.end"] < after[0]["event.time"]


def test_the_host_is_confirmed_and_runs_the_new_version(upgraded: Upgraded) -> None:
    status = upgraded.deployment.json_lines("upgrades", "status", upgraded.rollout)[0]
    assert status["stages"] == {"confirmed": 1}
    data = upgraded.deployment.root / "agent"
    told = json.loads((data / "status.json").read_text())
    assert told["version"] == NEXT
    assert [path.name for path in (data / "versions").iterdir() if path.is_dir()] == [NEXT]
    assert not list((data / "versions").glob("*.part"))
    state = json.loads((data / "versions" / "state.json").read_text())
    assert (state["current"], state["previous"], state["packaged"]) == (NEXT, "", __version__)
    hosts = upgraded.deployment.json_lines("hosts")
    until(
        lambda: upgraded.deployment.json_lines("hosts")[0]["version"] == NEXT,
        seconds=LONG, what=f"the host list says {NEXT}, not {hosts[0]['version']}", alive=upgraded.deployment.alive,
    )  # fmt: skip
