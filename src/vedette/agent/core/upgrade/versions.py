"""The versions of the agent on this host: DATA/versions, shared with the launcher, which says what its state means."""

import os
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vedette import __version__
from vedette.agent.launcher import PACKAGED, State, read_state, write_state


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A version that has to confirm itself."""

    version: str
    task: str
    minutes: int
    starts: int
    started: int = 0
    kernel: bool = False
    """The kernel source ran before, so it must run in the new version too."""
    left: int
    """When the version before ended, microseconds UTC."""


class TakenBack(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that the launcher ended."""

    task: str
    version: str
    left: int
    reason: str


class Versions:
    """What the running agent may know and do about versions."""

    def __init__(self, data: Path, *, environment: Mapping[str, str] = os.environ, prefix: str = sys.prefix) -> None:
        self.folder = data / "versions"
        self.launched = PACKAGED in environment
        """A launcher started us; without one nobody could go back, so nothing is upgraded."""
        self.lock = threading.Lock()
        """Held while a version is made, so that `tidy` does not take it for one that nobody needs."""
        home = Path(prefix)
        self.running = home.name if home.parent == self.folder.absolute() else ""
        """The directory that we run from; "" = the packaged version."""

    @property
    def version(self) -> str:
        """The version that runs."""
        return self.running or __version__

    def on_trial(self) -> Trial | None:
        """Give the trial that this process is, or that the launcher will start when it ends."""
        trial = read_state(self.folder).get("trial")
        return msgspec.convert(trial, Trial) if trial else None

    def request(self, trial: Trial) -> None:
        """Have the launcher start `trial.version` once this process has ended."""
        state = read_state(self.folder)
        self._write({**state, "current": self.running, "trial": msgspec.to_builtins(trial), "outcome": None})

    def confirm(self) -> None:
        """Make this version the one that counts; the one that counted stays, as the version before."""
        state = read_state(self.folder)
        self._write({**state, "previous": state.get("current", ""), "current": self.running, "trial": None})

    def taken_back(self) -> TakenBack | None:
        """Give the trial that failed and was not reported yet."""
        outcome = read_state(self.folder).get("outcome")
        return msgspec.convert(outcome, TakenBack) if outcome else None

    def reported(self) -> None:
        """Forget `taken_back`."""
        self._write({**read_state(self.folder), "outcome": None})

    def tidy(self) -> None:
        """Remove what is neither running, current, on trial nor the version before; half-made ones too."""
        if not self.lock.acquire(blocking=False):
            return
        try:
            self._tidy()
        finally:
            self.lock.release()

    def _tidy(self) -> None:
        state = read_state(self.folder)
        trial = state.get("trial") or {}
        kept = {self.running, state.get("current"), state.get("previous"), trial.get("version")}
        for path in self.folder.glob("*"):
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _write(self, state: State) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_state(self.folder, {"packaged": os.environ.get(PACKAGED, __version__), **state})
