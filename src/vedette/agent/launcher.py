"""Starts the agent: the packaged version, or the newer one that an upgrade brought; takes a bad upgrade back.

`python -I -S launcher.py DATA PYTHON VERSION ARGUMENT...` runs `vedette ARGUMENT...` with PYTHON, which is the packaged
version VERSION, or with DATA/versions/<version>/bin/python. It imports nothing but the standard library and is run by
its path, so that no version of the agent can break it.

DATA/versions/state.json says which version counts. The agent writes it while it runs, the launcher while no agent does,
both by renaming: at any moment it is whole. A version on trial that ends `starts` times, or has not confirmed itself
within `minutes` of a start, is taken back, and the version before is started at once; the agent then reports why.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

STATE = "state.json"
PACKAGED = "VEDETTE_PACKAGED"
"""Environment of the agent: it was started by a launcher, and this is the packaged version."""
MINUTE = 60.0
PAUSE = 2.0
"""Seconds before a version on trial that ended is started again."""
ENDING = 30.0
"""Seconds that an agent has to end when it is told to."""
PATIENCE = 60.0
"""Seconds to wait for the end of an agent that another launcher left behind."""
_ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGABRT)
_PR_SET_PDEATHSIG = 1

State = dict[str, Any]
"""packaged: version; current: version, "" = packaged; previous: version; trial; outcome: see `take_back`."""
_TRIAL = {"version": str, "task": str, "started": int, "starts": int, "minutes": int, "kernel": bool, "left": int}


def read_state(folder: Path) -> State:
    """Give the state; a missing or broken one counts as none: the packaged version runs."""
    try:
        state = json.loads((folder / STATE).read_bytes())
        trial = state.get("trial")
        if trial:
            state["trial"] = {name: kind(trial[name]) for name, kind in _TRIAL.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return dict(state)


def write_state(folder: Path, state: State) -> None:
    """Replace the state: written beside it, synced, renamed, directory synced."""
    beside = folder / f".{STATE}"
    with beside.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(json.dumps(state, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / STATE)
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def adopt(state: State, packaged: str) -> State:
    """Take note of the packaged version: one that was installed since the last upgrade wins unless it is older."""
    if state.get("packaged") == packaged:
        return state
    current = str(state.get("current", ""))
    if current and _numbers(current) > _numbers(packaged):
        return {**state, "packaged": packaged}
    return {"packaged": packaged}


def begin(state: State) -> tuple[State, str]:
    """Give the version to start ("" = packaged), and the state with this start counted if it is a trial's."""
    trial = state.get("trial")
    if not trial:
        return state, str(state.get("current", ""))
    if trial["started"] >= trial["starts"]:
        state = take_back(state, f"ended {trial['started']} times before it was confirmed")
        return state, str(state.get("current", ""))
    return {**state, "trial": {**trial, "started": trial["started"] + 1}}, trial["version"]


def take_back(state: State, reason: str) -> State:
    """End a trial: the version before counts, and the agent finds out why."""
    trial = state["trial"]
    outcome = {"task": trial["task"], "version": trial["version"], "left": trial["left"], "reason": reason}
    return {**state, "trial": None, "outcome": outcome}


def not_counted(state: State) -> State:
    """Take back the count of a start that was ended from outside."""
    trial = state.get("trial")
    if not trial:
        return state
    return {**state, "trial": {**trial, "started": max(0, trial["started"] - 1)}}


def _numbers(version: str) -> list[int]:
    numbers = [int(part) if part.isdecimal() else 0 for part in version.split(".")]
    return numbers + [0] * (4 - len(numbers))


def _say(text: str) -> None:
    sys.stderr.write(f"vedette launcher: {text}\n")
    sys.stderr.flush()


class Launcher:
    """Keeps one agent running. Signals are blocked and taken in turn, so there is no moment in which one is missed."""

    def __init__(self, folder: Path, python: str, packaged: str, arguments: list[str]) -> None:
        self.folder, self.python, self.packaged, self.arguments = folder, python, packaged, arguments
        self.pid = 0
        self.told: list[int] = []
        """Signals that asked for the end."""

    def run(self) -> int:
        """Run agents until one ends that is not on trial, or until told to end; gives its exit code."""
        write_state(self.folder, adopt(read_state(self.folder), self.packaged))
        while not self.told:
            state, version = begin(read_state(self.folder))
            if version and not self._can_run(version):
                state, version = self._without(state, version)
            write_state(self.folder, state)
            trial = state.get("trial")
            self._start(version)
            code, late = self._watch(MINUTE * trial["minutes"] if trial else None)
            state = read_state(self.folder)
            if self.told:
                write_state(self.folder, not_counted(state))
                return code
            trial = state.get("trial")
            if not trial:
                return code
            if late:
                write_state(self.folder, take_back(state, f"was not confirmed within {trial['minutes']} minutes"))
            elif trial["started"]:
                _say(f"version {trial['version']} on trial ended with {code}")
                self._wait(PAUSE)
        return 0

    def _can_run(self, version: str) -> bool:
        return os.access(self._python(version), os.X_OK)

    def _without(self, state: State, version: str) -> tuple[State, str]:
        """Go on without a version whose Python is gone (the system's was replaced, the directory was damaged)."""
        _say(f"version {version} cannot be started any more")
        if state.get("trial"):
            state = take_back(state, "its Python cannot be started")
            version = str(state.get("current", ""))
            if not version or self._can_run(version):
                return state, version
        return {**state, "current": ""}, ""

    def _python(self, version: str) -> str:
        return str(self.folder / version / "bin" / "python")

    def _start(self, version: str) -> None:
        python = self._python(version) if version else self.python
        command = [python, "-I", "-m", "vedette", *self.arguments]
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            _end_with_the_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.execve(python, command, {**os.environ, PACKAGED: self.packaged})  # noqa: S606 - a list, no shell
        except OSError as error:
            _say(f"{python}: {error}")
        os._exit(127)

    def _watch(self, seconds: float | None) -> tuple[int, bool]:
        """Wait for the agent's end; gives its exit code, and whether it was ended for not confirming in time."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            code = self._wait(None if end is None else max(0.0, end - time.monotonic()))
            if code is not None:
                return code, False
            if end is not None and time.monotonic() >= end:
                end = None
                if read_state(self.folder).get("trial"):
                    return self._finish(signal.SIGTERM), True

    def _wait(self, seconds: float | None) -> int | None:
        """Wait so long for a signal and act on it; gives the agent's exit code once it has ended."""
        signals = {signal.SIGCHLD, *_ASKED}
        got = signal.sigwaitinfo(signals) if seconds is None else signal.sigtimedwait(signals, seconds)
        if got is not None and got.si_signo in _ASKED:
            self.told.append(got.si_signo)
            return self._finish(got.si_signo) if self.pid else 0
        return self._ended()

    def _finish(self, number: int) -> int:
        """Pass a signal on, and see that the agent ends."""
        end = time.monotonic() + ENDING
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        while (code := self._ended()) is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
            got = signal.sigtimedwait({signal.SIGCHLD, *_ASKED}, 1.0)
            if got is not None and got.si_signo in _ASKED:
                self.told.append(got.si_signo)
        return code

    def _ended(self) -> int | None:
        if not self.pid:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


def _end_with_the_parent(parent: int) -> None:
    """Have the kernel end this process with its parent: two agents must never run at once. prctl(2)."""
    import ctypes  # in the child only: it costs the launcher nothing

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)


def _lock(folder: Path) -> bool:
    """Be the only launcher here. The agent inherits the lock, so it is held until both have ended."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(handle, True)  # noqa: FBT003 - the standard library's signature
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        else:
            return True


def main(arguments: list[str]) -> int:
    """Run the launcher; 1 when it cannot, 2 for misuse."""
    if len(arguments) < 4:
        _say("usage: launcher.py DATA PYTHON VERSION ARGUMENT...")
        return 2
    data, python, packaged, *rest = arguments
    folder = Path(data) / "versions"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *_ASKED})
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        if not _lock(folder):
            _say(f"{data}: another launcher runs here")
            return 1
        code = Launcher(folder, python, packaged, rest).run()
    except OSError as error:
        _say(f"{data}: {error}")
        return 1
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
