"""The task `upgrade`: from the order to the moment when the launcher starts the new version."""

import os
import platform
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from vedette.agent.core.tasks import TaskEndedError, Work
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.agent.core.upgrade.fetch import fetch
from vedette.agent.core.upgrade.unpack import unpack
from vedette.agent.core.upgrade.versions import Trial, Versions
from vedette.runtime.errors import IdentityError, WireError
from vedette.schema.tasks import Archive, TaskOrder, UpgradeOrder
from vedette.wire.release import Manifest, newer, verify_manifest

HEADROOM: Final = 128 << 20
"""Bytes of disk that stay free."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds between tries while the Central Node does not answer."""
PARTS: Final = 10
"""Reports of a download."""
_NICE: Final = 10
_REFUSED: Final = frozenset({400, 404, 413})
"""Answers that will not get better."""


class Upgrade:
    """Runs one upgrade; `leave` ends this agent so that the launcher starts the version on trial."""

    resumes = True

    def __init__(self, versions: Versions, connect: Callable[[], Transport], leave: Callable[[], None]) -> None:
        self._versions, self._connect, self._leave = versions, connect, leave
        self.key: Callable[[], str] = str
        """PEM of the updates key."""
        self.rate: Callable[[], int] = lambda: 1 << 20
        self.kernel_runs: Callable[[], bool] = bool

    def about(self, order: TaskOrder) -> str:
        """Give the version."""
        return _parameters(order).version

    def run(self, work: Work) -> bool:
        """Do all that can be done before the restart."""
        trial = self._versions.on_trial()
        if trial is not None and trial.task == work.order.id:
            self._leave_unless(running=trial.version)
            return False
        order = _parameters(work.order)
        if order.version == self._versions.version:
            return True
        archive = self._chosen(order)
        self._forget_parts(but=self._file(archive))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            self._replace(work, order, archive)
        except TaskEndedError:
            self._file(archive).unlink(missing_ok=True)
            raise
        return False

    def _replace(self, work: Work, order: UpgradeOrder, archive: Archive) -> None:
        manifest = self._fetch(work, archive)
        if (manifest.version, manifest.platform, manifest.python) != (order.version, archive.platform, archive.python):
            raise TaskEndedError("the release is another one than the task names")
        with self._versions.lock:
            self._install(work, order, manifest, self._file(archive))
        self._leave()

    def _forget_parts(self, *, but: Path) -> None:
        for path in self._versions.folder.glob("*.part"):
            if path != but:
                path.unlink(missing_ok=True)

    def _leave_unless(self, *, running: str) -> None:
        if self._versions.running != running:
            self._leave()

    def _chosen(self, order: UpgradeOrder) -> Archive:
        """Give the archive for this host. Raises TaskEndedError when the upgrade cannot or must not be."""
        if not self._versions.launched:
            raise TaskEndedError("the agent was not started by its launcher: run `vedette agent install` again")
        if self._versions.on_trial() is not None:
            raise TaskEndedError("another version is on trial")
        if not order.allow_older and not newer(order.version, self._versions.version):
            raise TaskEndedError(f"{order.version} is older than {self._versions.version}, which runs")
        here = this_platform()
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        for archive in order.archives:
            if (archive.platform, archive.python) == (here, python):
                return archive
        raise TaskEndedError(f"there is no archive of {order.version} for {here} with Python {python}")

    def _file(self, archive: Archive) -> Path:
        return self._versions.folder / f"{archive.sha256}.part"

    def _fetch(self, work: Work, archive: Archive) -> Manifest:
        """Get manifest and archive; tries until the order expires, and while the Central Node is away."""
        pause = FIRST_PAUSE
        while True:
            transport = self._connect()
            try:
                document = transport.release_manifest(archive.sha256)
                manifest = verify_manifest(document, self.key())
                self._room_for(archive, manifest)
                self._pieces(work, transport, archive)
            except (UnreachableError, RefusedError) as error:
                if isinstance(error, RefusedError) and error.status in _REFUSED:
                    raise TaskEndedError(str(error)) from error
                work.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except (IdentityError, WireError) as error:
                raise TaskEndedError(str(error)) from error
            except OSError as error:
                raise TaskEndedError(f"the archive cannot be written: {error}") from error
            else:
                return manifest
            finally:
                transport.close()

    def _pieces(self, work: Work, transport: Transport, archive: Archive) -> None:
        reported = -1

        def progress(held: int) -> None:
            nonlocal reported
            part = held * PARTS // archive.size
            if part != reported:
                reported = part
                work.report("download", progress=held, total=archive.size)

        fetch(transport, archive, self._file(archive), rate=self.rate(), wait=work.wait, progress=progress)

    def _room_for(self, archive: Archive, manifest: Manifest) -> None:
        """Refuse a full disk before anything is written to it. Raises TaskEndedError."""
        folder = self._versions.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = self._file(archive).stat().st_size if self._file(archive).exists() else 0
        # A file takes whole blocks: half a block is lost with each.
        needed = archive.size - held + manifest.size + 4096 * len(manifest.files) + HEADROOM
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise TaskEndedError(f"the disk has {free >> 20} MiB free, the upgrade needs {needed >> 20} MiB")

    def _install(self, work: Work, order: UpgradeOrder, manifest: Manifest, archive: Path) -> None:
        work.report("unpack")
        try:
            unpack(archive, manifest, self._versions.folder)
        except WireError as error:
            raise TaskEndedError(str(error)) from error
        except OSError as error:
            raise TaskEndedError(f"the release cannot be unpacked: {error}") from error
        finally:
            archive.unlink(missing_ok=True)
        work.wait(0)  # the last moment in which it can be cancelled
        work.report("trial")
        self._versions.request(
            Trial(
                version=order.version,
                task=work.order.id,
                minutes=order.minutes,
                starts=order.starts,
                kernel=self.kernel_runs(),
                left=work.now(),
            )
        )


def this_platform() -> str:
    """Give the platform as manifests name it, for example `linux-x86_64`."""
    return f"{sys.platform}-{platform.machine().lower()}"


def _parameters(order: TaskOrder) -> UpgradeOrder:
    try:
        return msgspec.json.decode(order.parameters, type=UpgradeOrder)
    except msgspec.DecodeError as error:
        raise WireError(f"upgrade: {error}") from error
