"""The launcher as an ordinary process, with programs of this file in the place of Python."""

import ast
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.agent import launcher
from vedette.agent.launcher import adopt, begin, read_state, take_back, write_state

QUICK = "import sys; sys.path.insert(0, {folder!r}); import launcher; launcher.MINUTE = 0.02; launcher.PAUSE = 0.05; "
AGENT = """#!{python} -IS
import fcntl, json, os, signal, sys, time
name, home = {name!r}, {home!r}
only = open(home + "/only", "w")
try:
    fcntl.flock(only, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(home + "/twice", "a").write(name)
open(home + "/log", "a").write(name + "\\n")
path = home + "/versions/state.json"
def change(**more):
    state = json.load(open(path))
    json.dump({{**state, **more}}, open(path + ".new", "w"))
    os.replace(path + ".new", path)
{body}
"""
STAY = "signal.pause()"
CONFIRM = "change(current=name, trial=None); signal.pause()"
Eventually = Callable[..., Any]


class Host:
    """A data directory with versions, and a launcher."""

    def __init__(self, home: Path) -> None:
        self.home, self.versions = home, home / "versions"
        self.versions.mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.packaged = self.program(home / "packaged", "packaged", STAY)

    def program(self, path: Path, name: str, body: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(AGENT.format(python=sys.executable, name=name, home=str(self.home), body=body))
        path.chmod(0o755)
        return path

    def version(self, name: str, body: str) -> None:
        self.program(self.versions / name / "bin" / "python", name, body)

    def trial(self, version: str, *, starts: int = 3, minutes: int = 1000) -> None:
        """Put a trial into the state, as an agent does before it ends."""
        trial = {
            "version": version,
            "task": "t",
            "started": 0,
            "starts": starts,
            "minutes": minutes,
            "kernel": True,
            "left": 5,
        }
        write_state(self.versions, {**read_state(self.versions), "packaged": "1.0", "trial": trial})

    def start(self) -> subprocess.Popen[bytes]:
        code = QUICK.format(folder=str(Path(launcher.__file__).parent)) + "sys.exit(launcher.main(sys.argv[1:]))"
        command = [sys.executable, "-I", "-S", "-c", code, str(self.home), str(self.packaged), "1.0", "agent", "run"]
        self.process = subprocess.Popen(command)
        return self.process

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.process = None
        return code

    def log(self) -> list[str]:
        path = self.home / "log"
        return path.read_text().split() if path.exists() else []

    @property
    def state(self) -> dict[str, Any]:
        return read_state(self.versions)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
    assert not (tmp_path / "twice").exists(), "two agents ran at once"


def test_the_launcher_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(launcher.__file__).read_text())
    found = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert found <= sys.stdlib_module_names


def test_the_packaged_version_runs_and_ends_when_the_launcher_is_told_to(host: Host, eventually: Eventually) -> None:
    host.start()
    eventually(lambda: host.log() == ["packaged"])
    assert host.stop() == 128 + signal.SIGTERM


def test_its_exit_code_is_the_agents(host: Host) -> None:
    host.program(host.packaged, "packaged", "sys.exit(7)")
    assert host.start().wait(20) == 7


def test_a_version_that_confirms_itself_stays(host: Host, eventually: Eventually) -> None:
    host.version("2.0", CONFIRM)
    host.trial("2.0")
    host.start()
    eventually(lambda: host.state.get("current") == "2.0")
    host.stop()
    host.start()
    eventually(lambda: host.log() == ["2.0", "2.0"])
    assert host.state["trial"] is None


def test_the_trial_begins_when_the_agent_before_ends(host: Host, eventually: Eventually) -> None:
    host.version("2.0", CONFIRM)
    asks = (
        "change(trial=dict(version='2.0', task='t', started=0, starts=3, minutes=9, kernel=True, left=5)); sys.exit(0)"
    )
    host.program(host.packaged, "packaged", asks)
    host.start()
    eventually(lambda: host.log() == ["packaged", "2.0"])


@pytest.mark.parametrize("body", ["sys.exit(1)", "os.kill(os.getpid(), 9)", "raise ImportError('broken')"])
def test_a_version_that_ends_too_often_is_taken_back(host: Host, eventually: Eventually, body: str) -> None:
    host.version("2.0", body)
    host.trial("2.0", starts=3)
    host.start()
    eventually(lambda: host.log() == ["2.0"] * 3 + ["packaged"])
    assert host.state["outcome"] == {
        "task": "t", "version": "2.0", "left": 5, "reason": "ended 3 times before it was confirmed",
    }  # fmt: skip
    assert not host.state["trial"]


def test_a_version_that_does_not_confirm_itself_in_time_is_taken_back(host: Host, eventually: Eventually) -> None:
    host.version("1.5", CONFIRM)
    host.trial("1.5")
    host.start()
    eventually(lambda: host.state.get("current") == "1.5")
    host.stop()
    host.version("2.0", STAY)
    host.trial("2.0", minutes=10)
    host.start()
    eventually(lambda: host.log() == ["1.5", "2.0", "1.5"])
    assert host.state["outcome"]["reason"] == "was not confirmed within 10 minutes"


def test_a_version_that_cannot_be_started_is_taken_back(host: Host, eventually: Eventually) -> None:
    host.trial("2.0")
    host.start()
    eventually(lambda: host.log() == ["packaged"])
    assert "cannot be started" in host.state["outcome"]["reason"]


def test_a_version_whose_directory_went_away_gives_way_to_the_packaged_one(host: Host, eventually: Eventually) -> None:
    write_state(host.versions, {"packaged": "1.0", "current": "2.0"})
    host.start()
    eventually(lambda: host.log() == ["packaged"])
    assert host.state["current"] == ""


def test_a_stop_from_outside_is_no_failure_of_the_version(host: Host, eventually: Eventually) -> None:
    host.version("2.0", STAY)
    host.trial("2.0", starts=1)
    for number in range(1, 4):
        host.start()
        eventually(lambda wanted=number: host.log() == ["2.0"] * wanted)
        host.stop()
    assert host.state["trial"]["started"] == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"trial": 3}', '{"trial": {"version": "2.0"}}', "\0" * 90])
def test_a_broken_state_runs_the_packaged_version(host: Host, eventually: Eventually, text: str) -> None:
    (host.versions / "state.json").write_text(text)
    host.start()
    eventually(lambda: host.log() == ["packaged"])


def test_a_second_launcher_waits_for_the_agent_of_a_killed_one(host: Host, eventually: Eventually) -> None:
    first = host.start()
    eventually(lambda: host.log() == ["packaged"])
    first.kill()
    first.wait()
    host.start()
    eventually(lambda: host.log() == ["packaged"] * 2)


def test_killed_at_any_moment_it_leaves_an_agent_that_starts(host: Host, eventually: Eventually) -> None:
    """Trials begin, fail and are confirmed while the launcher is killed at random moments."""
    host.version("2.0", "time.sleep(0.05); sys.exit(1)")
    host.version("3.0", "time.sleep(0.1); " + CONFIRM)
    chance = random.Random(7)
    for round_ in range(25):
        host.trial("2.0" if round_ % 2 else "3.0", starts=2)
        launched = host.start()
        time.sleep(chance.uniform(0, 0.5))
        launched.kill()
        launched.wait()
        assert read_state(host.versions), "the state is whole"
    before = len(host.log())
    host.start()
    eventually(lambda: len(host.log()) > before)
    eventually(lambda: not host.state.get("trial"))
    eventually(lambda: host.log()[-1] in {"3.0", "packaged"})


def test_an_installed_package_wins_unless_it_is_older() -> None:
    held = {"packaged": "1.0", "current": "2.0", "previous": ""}
    assert adopt(held, "1.0") == held
    assert adopt(held, "1.5") == {**held, "packaged": "1.5"}
    assert adopt(held, "2.0") == {"packaged": "2.0"}
    assert adopt(held, "2.1") == {"packaged": "2.1"}
    assert adopt({}, "1.0") == {"packaged": "1.0"}


def test_a_version_older_than_the_package_stays_when_an_operator_chose_it() -> None:
    chosen = {"packaged": "2.0", "current": "1.0"}
    assert begin(adopt(chosen, "2.0"))[1] == "1.0"


def test_a_trial_that_is_taken_back_leaves_the_rest() -> None:
    state = {"packaged": "1.0", "current": "1.1", "previous": "", "trial": {"task": "t", "version": "2.0", "left": 5}}
    assert take_back(state, "why") == {
        **state, "trial": None, "outcome": {"task": "t", "version": "2.0", "left": 5, "reason": "why"},
    }  # fmt: skip


def test_misuse_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(launcher.__file__), str(tmp_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 2


def test_the_state_is_for_root_alone(tmp_path: Path) -> None:
    write_state(tmp_path, {"packaged": "1"})
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "state.json").read_text()) == {"packaged": "1"}
