"""What the tests of more than one folder share: a whole deployment on loopback, and where the real data is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vedette import __version__

REPOSITORY = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regold", action="store_true", help="rewrite the expected outputs of golden tests")


@pytest.fixture
def regold(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--regold"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root for those who are not; in CI that is a failure, since CI is root."""
    if os.geteuid() == 0:
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError("CI must run as root: kernel events cannot be proven otherwise")
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root for kernel events"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Rules, logs and captures that are not part of the repository."""
    path = Path(os.environ.get("VEDETTE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is absent")
        pytest.skip(f"{path} is absent: set VEDETTE_SHARED_DATA to the folder with the real rules and logs")
    return path


def until(
    question: Callable[[], Any], *, seconds: float, every: float = 0.2, what: str = "it", alive: Callable[[], None]
) -> Any:
    """Ask until the answer is true-ish; fail after `seconds` with the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        alive()
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true in {seconds} s; last answer: {answer!r}")
        time.sleep(every)


@dataclass
class Deployment:
    """A Central Node in `root`/central and agents in `root`/agent*, all on loopback, as child processes."""

    root: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    listen: dict[str, int] = field(default_factory=lambda: {"ingest": 0, "api": 0})
    """Ports of the Central Node; the same after a restart, as its agents know them."""
    central_environment: dict[str, str] = field(default_factory=dict)
    """Variables that only the Central Node gets."""

    def vedette(self, *arguments: str, check: bool = True, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one `vedette` command as a user would."""
        environment = os.environ | {"VEDETTE_CLIENT": str(self.root / "central" / "client.toml")}
        done = subprocess.run(
            [sys.executable, "-m", "vedette", *arguments],
            capture_output=True, text=True, timeout=seconds, env=environment, check=False,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"vedette {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json_lines(self, *arguments: str) -> list[dict[str, Any]]:
        """Give what a command with `--json` prints."""
        return [json.loads(line) for line in self.vedette(*arguments, "--json").stdout.splitlines() if line]

    def hunt(self, query: str, *more: str) -> list[dict[str, Any]]:
        """Give the events that match, newest first."""
        return self.json_lines("hunt", query, "--since", "1h", *more)

    def wait_for(self, query: str, *more: str, count: int = 1, seconds: float = 30) -> list[dict[str, Any]]:
        """Hunt until at least `count` events match."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = self.hunt(query, *more)
            return len(found) >= count

        until(enough, seconds=seconds, what=f"hunt {query!r} with {count} events", alive=self.alive)
        return found

    def start(
        self, name: str, *arguments: str, command: list[str] | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a long-running command in its own process group; its output goes to `root`/NAME.log."""
        log = (self.root / f"{name}.log").open("ab")
        process = subprocess.Popen(
            command or [sys.executable, "-m", "vedette", *arguments],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env=os.environ | (environment or {}),
        )  # fmt: skip
        log.close()
        self.processes[name] = process
        return process

    def log(self, name: str) -> str:
        """Give what a started command has printed so far."""
        return (self.root / f"{name}.log").read_text(errors="replace")

    def alive(self) -> None:
        """Fail with its output when a started command has ended by itself."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                pytest.fail(f"{name} ended with {process.returncode}:\n{self.log(name)[-4000:]}")

    @property
    def ports(self) -> dict[str, int]:
        """Give the ports on which the parts of the Central Node listen."""
        parsed: dict[str, int] = json.loads((self.root / "central" / "run" / "ports.json").read_text())
        return parsed

    def start_central(self) -> None:
        """Start the Central Node and wait until its API answers."""
        ready = self.begin_central()
        until(
            lambda: ready.exists() and {"api", "ingest"} <= set(self.ports),
            seconds=60, what="the Central Node's ports", alive=self.alive,
        )  # fmt: skip
        self.listen = {part: self.ports[part] for part in self.listen}
        self.wait_for_api()

    def begin_central(self) -> Path:
        """Start the Central Node; gives the file that will name its ports."""
        data = self.root / "central"
        ready = data / "run" / "ports.json"
        ready.unlink(missing_ok=True)
        self.start(
            "central", "central", "--data", str(data),
            "--listen-ingest", f"127.0.0.1:{self.listen['ingest']}", "--listen-api", f"127.0.0.1:{self.listen['api']}",
            environment=self.central_environment,
        )  # fmt: skip
        return ready

    def wait_for_api(self) -> None:
        """Wait until the API answers a question that needs the state."""
        until(
            lambda: self.vedette("hosts", "--json", check=False).returncode == 0,
            seconds=60, what="the API", alive=self.alive,
        )  # fmt: skip

    def enrol(self, name: str = "agent") -> Path:
        """Enrol an agent with a new one-time token; give its data directory."""
        made = self.json_lines("tokens", "create")[0]
        data = self.root / name
        self.vedette(
            "agent", "enrol", "--server", f"https://127.0.0.1:{made['port']}", "--token", made["token"],
            "--data", str(data),
        )  # fmt: skip
        return data

    def start_agent(self, name: str = "agent") -> None:
        """Run the enrolled agent `name`."""
        self.start(name, "agent", "run", "--data", str(self.root / name))

    def launch_agent(self, name: str = "agent") -> None:
        """Run the enrolled agent `name` as its service does: by the launcher, so that it can be upgraded."""
        data = str(self.root / name)
        launcher = REPOSITORY / "src/vedette/agent/launcher.py"
        self.start(
            name,
            command=[
                sys.executable, "-I", "-S", str(launcher), data, sys.executable, __version__,
                "agent", "run", "--data", data,
            ],
        )  # fmt: skip

    def wait_for_agent(self, name: str = "agent") -> None:
        """Wait until an agent is online and has looked at the files of what already runs."""

        def calm() -> bool:
            status = self.root / name / "status.json"
            if not status.exists():
                return False
            told = json.loads(status.read_text())
            waiting = [one["details"].get("waiting_for_digests", 0) for one in told["sources"]]
            return told["link"]["state"] == "online" and not any(waiting)

        until(calm, seconds=60, every=0.5, what=f"{name} is online and calm", alive=self.alive)

    def stop(self, name: str, *, how: int = signal.SIGTERM, seconds: float = 30) -> int:
        """End a started command by its pid and wait for it."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{name} did not end in {seconds} s:\n{self.log(name)[-4000:]}")

    def stop_all(self) -> None:
        """End everything that was started, agents first."""
        for name in list(reversed(self.processes)):
            self.stop(name)


@pytest.fixture(scope="session")
def make_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Deployment]]:
    """Give a function that makes a deployment in a folder of its own; all are ended with the session."""
    made: list[Deployment] = []

    def make() -> Deployment:
        deployment = Deployment(tmp_path_factory.mktemp("deployment"))
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        deployment.stop_all()
