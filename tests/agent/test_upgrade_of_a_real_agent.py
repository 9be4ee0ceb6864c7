"""A real agent under its launcher, real archives of this tree, a real ingest: what goes wrong, and kills on the way."""

import hashlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.agent.conftest import Ingest
from tests.release_archive import build_release

from vedette import __version__
from vedette.agent import launcher
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import IdentityStore
from vedette.agent.platform import this_platform
from vedette.central.pki import load_signing_key
from vedette.runtime.clock import now
from vedette.schema.policies import Settings, SignedSettings
from vedette.store.releases import ReleaseFiles
from vedette.store.state import releases, rollouts, settings
from vedette.store.state.rollouts import NewRollout
from vedette.wire.release import check_archive, sign_manifest
from vedette.wire.signature import sign_settings
from vedette.wire.task import sign_task

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(400)]
Eventually = Callable[..., Any]
MINUTE = "import sys; sys.path.insert(0, {folder!r}); import launcher; launcher.MINUTE = {minute}; "


class Upgrading:
    """One host, one ingest, and the acts of an operator."""

    def __init__(self, ingest: Ingest, folder: Path, eventually: Eventually) -> None:
        self.ingest, self.folder, self.eventually = ingest, folder, eventually
        self.data = folder / "agent"
        self.store = IdentityStore(self.data)
        self.process: subprocess.Popen[bytes] | None = None
        enrol(self.store, server=ingest.url, token=ingest.token(), facts=this_platform().facts())
        self._publish(download_rate=1 << 30)

    def _publish(self, **changes: Any) -> None:
        key = load_signing_key(self.ingest.layout.settings_key)

        def sign(body: bytes) -> SignedSettings:
            return sign_settings(msgspec.json.decode(body, type=Settings), key)

        with self.ingest.state.write() as db:
            held = settings.current(db, "default", "default")
            assert held is not None
            wanted = msgspec.structs.replace(held.settings(), **changes)
            settings.publish(db, wanted, tenant="default", sign=sign, now=now())

    def start(self, *, minute: float = 60.0) -> None:
        code = MINUTE.format(folder=str(Path(launcher.__file__).parent), minute=minute)
        arguments = [str(self.data), sys.executable, __version__, "agent", "run", "--data", str(self.data)]
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", f"{code}sys.exit(launcher.main(sys.argv[1:]))", *arguments],
                stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def roll_out(self, archive: Path, **wanted: Any) -> None:
        layout = self.ingest.layout
        data = archive.read_bytes()
        manifest, signed_part = check_archive(io.BytesIO(data))
        files = ReleaseFiles(layout.releases)
        sha256 = hashlib.sha256(data).hexdigest()
        with files.upload() as upload:
            upload.write(data)
            upload.flush()
            files.keep(upload, sha256, sign_manifest(signed_part, load_signing_key(layout.updates_key)))
        release = releases.Release(
            tenant="default", version=manifest.version, platform=manifest.platform, python=manifest.python,
            sha256=sha256, size=len(data), unpacked=manifest.size, added=now(), added_by="ann",
        )  # fmt: skip
        new = NewRollout(tenant="default", group="default", version=manifest.version, percent=100)
        key = load_signing_key(layout.tasks_key)
        with self.ingest.state.write() as db:
            releases.add(db, release)
            wanted = msgspec.structs.asdict(new) | wanted
            rollouts.start(db, NewRollout(**wanted), sign=lambda order: sign_task(order, key), now=now())

    @property
    def running(self) -> str:
        try:
            status = json.loads((self.data / "status.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return ""
        return str(status["version"]) if status["running"] else ""

    def reports(self) -> list[dict[str, Any]]:
        return [event for event in self.ingest.events() if event["event.type"] == "task_report"]

    def last(self) -> str:
        return str(self.reports()[-1]["task.state"]) if self.reports() else ""

    @property
    def state(self) -> dict[str, Any]:
        return launcher.read_state(self.data / "versions")


@pytest.fixture
def upgrading(ingest: Ingest, tmp_path: Path, eventually: Eventually) -> Iterator[Upgrading]:
    made = Upgrading(ingest, tmp_path, eventually)
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give archives by what is wrong with them."""
    folder = tmp_path_factory.mktemp("builds")
    mute = "\nTrialKeeper.look = lambda self, **_: None\n"
    return {
        "good": build_release(folder, "9.0.0"),
        "broken": build_release(folder, "9.0.1", appended={"agent/app.py": "\nraise ImportError('a bad build')\n"}),
        "mute": build_release(folder, "9.0.2", appended={"agent/core/upgrade/trial.py": mute}),
    }


def test_a_version_that_does_not_start_goes_back_and_says_why(upgrading: Upgrading, builds: dict[str, Path]) -> None:
    upgrading.start()
    upgrading.eventually(lambda: upgrading.running == __version__, seconds=60)
    upgrading.roll_out(builds["broken"])
    upgrading.eventually(lambda: upgrading.last() == "rolled_back", seconds=120)
    report = upgrading.reports()[-1]
    assert report["task.error"] == "ended 3 times before it was confirmed"
    assert upgrading.running == __version__
    assert not list((upgrading.data / "versions").glob("9*"))
    sequences = [event["event.sequence"] for event in upgrading.ingest.events()]
    assert sequences == sorted(set(sequences))


def test_a_version_that_works_but_does_not_confirm_itself_goes_back(
    upgrading: Upgrading, builds: dict[str, Path]
) -> None:
    upgrading.start(minute=1.5)
    upgrading.eventually(lambda: upgrading.running == __version__, seconds=60)
    upgrading.roll_out(builds["mute"], minutes=10)
    upgrading.eventually(lambda: upgrading.last() == "rolled_back", seconds=180)
    assert upgrading.reports()[-1]["task.error"] == "was not confirmed within 10 minutes"
    upgrading.eventually(lambda: upgrading.running == __version__, seconds=60)


def test_killed_on_the_way_the_upgrade_still_comes_to_its_end(upgrading: Upgrading, builds: dict[str, Path]) -> None:
    """The whole group is killed again and again, at other moments of the download, the unpacking and the trial."""
    upgrading.start()
    upgrading.eventually(lambda: upgrading.running == __version__, seconds=60)
    upgrading.roll_out(builds["good"], starts=20)
    upgrading.eventually(lambda: upgrading.last() == "accepted" or len(upgrading.reports()) > 1, seconds=60)
    for pause in (0.3, 2.0, 3.5, 5.0):
        time.sleep(pause)
        upgrading.stop(signal.SIGKILL)
        upgrading.start()
    upgrading.eventually(lambda: upgrading.last() == "done", seconds=180)
    upgrading.eventually(lambda: upgrading.running == "9.0.0", seconds=60)
    assert upgrading.state["current"] == "9.0.0"
    sequences = [event["event.sequence"] for event in upgrading.ingest.events()]
    assert sequences == sorted(set(sequences))
    assert len({event["task.id"] for event in upgrading.reports()}) == 1


def test_a_host_enrolled_before_there_were_keys_pins_them_from_its_settings(
    upgrading: Upgrading, builds: dict[str, Path]
) -> None:
    identity = upgrading.store.load()
    assert set(identity.keys) == {"tasks", "updates"}
    path = upgrading.data / "identity.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(identity, keys={})))
    path.chmod(0o600)
    upgrading.start()
    upgrading.eventually(lambda: upgrading.store.load().keys == identity.keys, seconds=60)
    upgrading.roll_out(builds["good"])
    upgrading.eventually(lambda: upgrading.last() == "done", seconds=120)
