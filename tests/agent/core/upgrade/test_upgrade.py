"""One upgrade, from the order to the request for a trial, with a Central Node that a test writes."""

import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.release_archive import MINOR

from vedette import __version__
from vedette.agent.core.tasks import StoppingError, TaskDesk, Work
from vedette.agent.core.transport import RefusedError, UnreachableError
from vedette.agent.core.upgrade import task as module
from vedette.agent.core.upgrade.task import Upgrade, this_platform
from vedette.agent.core.upgrade.trial import TrialKeeper
from vedette.agent.core.upgrade.versions import Trial, Versions
from vedette.agent.launcher import PACKAGED, read_state, take_back, write_state
from vedette.central.pki import public_pem
from vedette.runtime.clock import HOUR
from vedette.schema.entities import Task
from vedette.schema.tasks import Archive, TaskOrder, UpgradeOrder
from vedette.wire.messages import Problem
from vedette.wire.release import PROGRAM, SignedManifest, check_archive, sign_manifest, write_release
from vedette.wire.task import sign_task

TASKS, UPDATES = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
HOST = "a" * 32
PIECE = 400


class Central:
    """Serves one archive; `fail` is asked before each answer."""

    def __init__(self, archive: bytes, *, key: Ed25519PrivateKey = UPDATES) -> None:
        self.archive, self.sha256 = archive, hashlib.sha256(archive).hexdigest()
        self.manifest, signed_part = check_archive(io.BytesIO(archive))
        self.document = sign_manifest(signed_part, key)
        self.offsets: list[int] = []
        self.fail: Callable[[], None] = lambda: None

    def release_manifest(self, sha256: str) -> SignedManifest:
        assert sha256 == self.sha256
        self.fail()
        return self.document

    def release_piece(self, sha256: str, offset: int) -> bytes:
        assert sha256 == self.sha256
        self.offsets.append(offset)
        self.fail()
        return self.archive[offset : offset + PIECE]

    def close(self) -> None:
        pass

    @property
    def listed(self) -> Archive:
        one = self.manifest
        return Archive(platform=one.platform, python=one.python, sha256=self.sha256, size=len(self.archive))


def release(folder: Path, version: str = "9.0", *, platform: str = "", python: str = MINOR) -> bytes:
    program = folder / "tree" / PROGRAM.format(python=python)
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(b"print('the new version')\n" + os.urandom(4000).hex().encode())
    target = io.BytesIO()
    write_release(target, folder / "tree", version=version, platform=platform or this_platform(), python=python)
    shutil.rmtree(folder / "tree")
    return target.getvalue()


class Host:
    """A data directory, a desk and an upgrade runner in it."""

    def __init__(self, data: Path, clock: Any, central: Central) -> None:
        self.data, self.clock, self.central = data, clock, central
        self.told: list[Task] = []
        self.left = False
        self.stop = threading.Event()
        self.open()

    def open(self, running: str = "") -> None:
        prefix = str(self.data / "versions" / running) if running else "/opt/vedette"
        self.versions = Versions(self.data, environment={PACKAGED: __version__}, prefix=prefix)
        self.desk = TaskDesk(
            self.data / "tasks.json", tenant="t", host=HOST,
            report=lambda report: self.told.append(report.task or Task()), clock=self.clock,
        )  # fmt: skip
        upgrade = Upgrade(self.versions, lambda: self.central, self._leave)  # type: ignore[arg-type,return-value]
        upgrade.key, upgrade.rate, upgrade.kernel_runs = lambda: public_pem(UPDATES), lambda: 1 << 40, lambda: True
        self.upgrade = upgrade
        self.desk.key, self.desk.runners = public_pem(TASKS), {"upgrade": upgrade}
        self.trial = TrialKeeper(self.versions, self.desk)

    def _leave(self) -> None:
        self.left = True

    def order(self, version: str = "9.0", task: str = "1" * 32, **more: Any) -> None:
        wanted = UpgradeOrder(version=version, archives=[self.central.listed], **more)
        order = TaskOrder(
            id=task, type="upgrade", tenant="t", host=HOST, issued=self.clock(), expires=self.clock() + HOUR,
            parameters=msgspec.Raw(msgspec.json.encode(wanted)),
        )  # fmt: skip
        self.desk.take([sign_task(order, TASKS)], 1)

    def work(self) -> None:
        while self.desk._queue:
            self.desk._run(self.desk._queue.popleft(), self.stop)

    @property
    def states(self) -> list[str | None]:
        return [task.state for task in self.told]

    @property
    def error(self) -> str:
        assert self.told[-1].state in {"failed", "rolled_back", "cancelled", "expired"}, self.states
        return self.told[-1].error or ""

    @property
    def directories(self) -> set[str]:
        return {path.name for path in (self.data / "versions").iterdir() if path.name not in {"state.json", "lock"}}


@pytest.fixture
def central(tmp_path: Path) -> Central:
    return Central(release(tmp_path))


@pytest.fixture
def host(tmp_path: Path, clock: Any, central: Central) -> Host:
    (tmp_path / "data").mkdir()
    return Host(tmp_path / "data", clock, central)


def test_a_release_is_fetched_checked_unpacked_and_put_on_trial(host: Host) -> None:
    host.order()
    host.work()
    assert (host.left, host.states[0], host.told[-1].step) == (True, "accepted", "trial")
    parts = [task.progress or 0 for task in host.told if task.step == "download"]
    assert parts == sorted(parts)
    assert parts[-1] == len(host.central.archive)
    home = host.data / "versions" / "9.0"
    program = home / PROGRAM.format(python=MINOR)
    assert program.read_bytes().startswith(b"print('the new version')")
    assert program.stat().st_mode & 0o777 == 0o600
    assert (home / "bin/python").resolve().exists()
    trial = host.versions.on_trial()
    assert trial == Trial(version="9.0", task="1" * 32, minutes=10, starts=3, kernel=True, left=host.clock())
    assert host.directories == {"9.0"}


def test_the_new_version_confirms_itself_when_it_works(host: Host) -> None:
    host.order()
    host.work()
    left = host.clock()
    host.clock.move(HOUR)
    host.open(running="9.0")
    host.trial.begin()
    assert [host.trial.seeing(), host.trial.seeing()] == [left, None]
    for online, kernel_runs in ((False, True), (True, False)):
        host.trial.look(online=online, kernel_runs=kernel_runs)
        assert host.states[-1] == "running"
    host.trial.look(online=True, kernel_runs=True)
    host.trial.look(online=True, kernel_runs=True)
    assert host.states.count("done") == 1
    state = read_state(host.versions.folder)
    assert (state["current"], state["previous"], state["trial"]) == ("9.0", "", None)
    host.open(running="9.0")
    host.work()
    assert host.states.count("done") == 1


def test_a_version_that_went_back_is_reported_and_removed(host: Host) -> None:
    host.order()
    host.work()
    folder = host.versions.folder
    write_state(folder, take_back(read_state(folder), "ended 3 times before it was confirmed"))
    host.open()
    host.trial.begin()
    assert host.trial.seeing() == host.clock()
    assert (host.states[-1], host.error) == ("rolled_back", "ended 3 times before it was confirmed")
    host.left = False
    host.work()
    assert (host.left, host.directories) == (False, set())
    host.open()
    host.trial.begin()
    assert host.trial.seeing() is None
    host.work()
    assert host.states.count("rolled_back") == 1
    host.order()  # the same order again does nothing
    host.work()
    assert host.states[-1] == "rolled_back"


def test_only_the_version_before_is_kept(host: Host, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        host.central = Central(release(tmp_path, f"9.{number}"))
        host.open(running="" if number == 1 else f"9.{number - 1}")
        host.trial.begin()
        host.order(f"9.{number}", task=str(number) * 32)
        host.work()
        host.open(running=f"9.{number}")
        host.trial.begin()
        host.trial.look(online=True, kernel_runs=True)
    assert host.directories == {"9.2", "9.3"}
    assert host.states.count("done") == 3


@pytest.mark.parametrize("running", ["9.0.1", "10.0"])
def test_a_version_never_goes_backwards_unless_the_operator_says_so(host: Host, running: str) -> None:
    host.open(running=running)
    host.order()
    host.work()
    assert host.error == f"9.0 is older than {running}, which runs"
    assert host.central.offsets == []
    host.order(task="2" * 32, allow_older=True)
    host.work()
    assert host.left


def test_the_version_that_runs_is_done_at_once(host: Host) -> None:
    host.open(running="9.0")
    host.order()
    host.work()
    assert (host.states, host.left) == (["accepted", "done"], False)


def test_without_a_launcher_nothing_is_upgraded(host: Host) -> None:
    host.versions.launched = False
    host.order()
    host.work()
    assert "was not started by its launcher" in host.error


@pytest.mark.parametrize(("platform", "python"), [("linux-s390x", MINOR), ("", "3.99")])
def test_a_release_for_another_host_is_refused(host: Host, tmp_path: Path, platform: str, python: str) -> None:
    host.central = Central(release(tmp_path, platform=platform, python=python))
    host.order()
    host.work()
    assert "there is no archive of 9.0 for" in host.error


def test_a_manifest_by_another_key_is_refused_before_anything_is_fetched(host: Host, tmp_path: Path) -> None:
    host.central = Central(release(tmp_path), key=TASKS)
    host.order()
    host.work()
    assert (host.error, host.central.offsets) == ("the release: signed by another key", [])


def test_a_manifest_of_another_version_is_refused(host: Host, tmp_path: Path) -> None:
    host.central = Central(release(tmp_path, "9.5"))
    host.order("9.0")
    host.work()
    assert host.error == "the release is another one than the task names"
    assert host.directories == set()


def test_an_archive_with_another_digest_is_removed(host: Host) -> None:
    host.central.archive = host.central.archive[:-9] + b"tampered!"
    host.order()
    host.work()
    assert host.error == "the archive's digest is not the one in the task"
    assert host.directories == set()


def test_an_archive_that_differs_from_the_signed_manifest_is_refused(host: Host, tmp_path: Path) -> None:
    other = Central(release(tmp_path))
    host.central.archive, host.central.sha256 = other.archive, other.sha256
    host.order()
    host.work()
    assert host.error == "the archive has another manifest than the signed one"
    assert host.directories == set()


def test_a_full_disk_is_refused_before_anything_is_fetched(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=module.HEADROOM)
    monkeypatch.setattr("vedette.agent.core.upgrade.task.shutil.disk_usage", lambda _: usage)
    host.order()
    host.work()
    assert host.error.startswith("the disk has 128 MiB free, the upgrade needs")
    assert host.central.offsets == []


def test_a_download_goes_on_where_it_was_cut(host: Host) -> None:
    def cut() -> None:
        if len(host.central.offsets) == 3:
            host.stop.set()

    host.central.fail = cut
    host.order()
    with pytest.raises(StoppingError):
        host.work()
    assert host.central.offsets == [0, PIECE, 2 * PIECE]
    host.stop.clear()
    host.central.fail = lambda: None
    host.open()
    host.work()
    assert host.left
    assert host.central.offsets == list(range(0, len(host.central.archive), PIECE))


def test_a_central_node_that_is_away_is_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | None] = [
        UnreachableError("away"), None, RefusedError(503, Problem(), retry_after=5), None, UnreachableError("away"),
    ]  # fmt: skip

    def fail() -> None:
        error = answers.pop(0) if answers else None
        if error is not None:
            raise error

    waited: list[float] = []
    monkeypatch.setattr(Work, "wait", lambda _, seconds: waited.append(seconds))
    host.central.fail = fail
    host.order()
    host.work()
    assert host.left
    assert [seconds for seconds in waited if seconds >= 1] == [5.0, 10.0, 20.0]


def test_a_release_that_was_removed_fails_the_task(host: Host) -> None:
    def gone() -> None:
        raise RefusedError(404, Problem(detail="there is no such release"))

    host.central.fail = gone
    host.order()
    host.work()
    assert "there is no such release" in host.error


def test_a_cancelled_download_stops_and_leaves_nothing(host: Host) -> None:
    host.central.fail = lambda: host.desk.cancelled.add("1" * 32) if len(host.central.offsets) == 2 else None
    host.order()
    host.work()
    assert (host.states[-1], host.left, host.directories) == ("cancelled", False, set())


def test_half_made_versions_of_a_kill_are_removed(host: Host) -> None:
    (host.data / "versions" / ".9.0" / "lib").mkdir(parents=True)
    host.trial.begin()
    assert host.directories == set()


def test_pieces_are_no_faster_than_the_rate(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(Work, "wait", lambda _, seconds: waited.append(seconds))
    host.upgrade.rate = lambda: 4 * PIECE
    host.order()
    host.work()
    pieces = [seconds for seconds in waited if seconds]
    assert sum(pieces) == pytest.approx(len(host.central.archive) / (4 * PIECE), rel=0.2)
