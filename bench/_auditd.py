"""The peer of the Linux agent: auditd with laurel as its plugin, as Debian has them, unpacked under .build.

Rules: programs (execve), files made, deleted and renamed, connections and listening ports. What the agent reports
beside that (writes to files that were there, ends of programs, modules, digests) is not asked of the peer.
The kernel's audit settings and rules are put back at the end.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
UNPACKED = ROOT / ".build" / "auditd"
LOCK = Path("/tmp/vedette-audit.lock")
"""The kernel's auditing is one for the whole host; tests that switch it take this lock too."""
NAME = "auditd + laurel"
BACKLOG = 8192
"""As in Debian's audit.rules."""
QUIET = "-a task,never"
"""Processes made from here on are not audited at all, as on a host where auditing was never on."""
RULES = (
    "-S execve,execveat",
    "-S openat -F a2&0x40",
    "-S open -F a1&0x40",
    "-S creat,unlink,unlinkat,rename,renameat,renameat2",
    "-S connect,listen,bind",
)
DAEMON = """local_events = yes
write_logs = no
log_file = {folder}/auditd.log
log_group = root
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
priority_boost = 4
name_format = NONE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
use_libwrap = no
distribute_network = no
q_depth = 20000
overflow_action = IGNORE
plugin_dir = {folder}/plugins.d
"""
PLUGIN = """active = yes
direction = out
type = always
format = string
path = {program}
args = --config {folder}/laurel.toml
"""
LAUREL = """directory = "{folder}"
input = "stdin"
[auditlog]
file = "laurel.log"
size = 100000000
generations = 2
[transform]
execve-argv = [ "array" ]
[enrich]
execve-env = [ "LD_PRELOAD", "LD_LIBRARY_PATH" ]
container = true
pid = true
script = true
"""


@contextmanager
def audit_lock() -> Iterator[None]:
    """Keep others on this host from switching the kernel's auditing meanwhile."""
    with LOCK.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Auditd:
    """The peer while it runs; hold `audit_lock`. `problem` says why it cannot, then nothing of it may be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "auditd"
        self.problem = ""
        self._daemon: subprocess.Popen[bytes] | None = None
        self._before: dict[str, int] = {}
        self._rules_before = ""
        self.watched = False

    def __enter__(self) -> Self:
        try:
            self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.problem = str(getattr(error, "stderr", None) or error).strip().splitlines()[-1]
            self.__exit__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._before:
            self._control("-D")
            self._restore()
            self._before = {}
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(20)
            self._daemon = None

    def _start(self) -> None:
        subprocess.run(["make", "-s", ".build/auditd/.ready"], cwd=ROOT, check=True, capture_output=True, text=True)
        status = self._status()
        if status["pid"]:
            raise ValueError(f"an audit daemon runs on this host, PID {status['pid']}")
        if status["enabled"] > 1:
            raise ValueError("auditing is locked on this host (enabled 2)")
        self._rules_before = self._control("-l")
        self._configure()
        self._daemon = subprocess.Popen(
            [str(UNPACKED / "sbin/auditd"), "-n", "-s", "nochange", "-c", str(self._folder)],
            env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while self._status()["pid"] != self._daemon.pid or len(self._pids()) < 2:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise ValueError("auditd does not start")
            time.sleep(0.1)
        self._before = status
        self._control("-b", str(BACKLOG))
        self.ignore()

    def _configure(self) -> None:
        (self._folder / "plugins.d").mkdir(parents=True)
        program = UNPACKED / "usr/sbin/laurel"
        for name, text in (("auditd.conf", DAEMON), ("plugins.d/laurel.conf", PLUGIN), ("laurel.toml", LAUREL)):
            path = self._folder / name
            path.write_text(text.format(folder=self._folder, program=program), encoding="ascii")
            path.chmod(0o640)

    def _restore(self) -> None:
        settings = {"backlog_limit": "-b", "backlog_wait_time": "--backlog_wait_time", "failure": "-f", "enabled": "-e"}
        for line in self._rules_before.splitlines():
            if line.startswith("-"):
                self._control(*line.split())
        for name, flag in settings.items():
            self._control(flag, str(self._before[name]))

    # ------------------------------------------------------------------------------------------ switches

    def watch(self) -> None:
        """Have the kernel report; processes made from here on are audited."""
        self._load([f"-a always,exit -F arch=b64 {rule}" for rule in RULES])
        self._control("-e", "1")
        self.watched = True

    def ignore(self) -> None:
        """Have the kernel report nothing; processes made from here on are not audited."""
        self._control("-e", "0")
        self._load([QUIET])
        self.watched = False

    def _load(self, rules: list[str]) -> None:
        path = self._folder / "rules"
        path.write_text("\n".join(["-D", *rules, ""]), encoding="ascii")
        path.chmod(0o640)
        self._control("-R", str(path))

    # -------------------------------------------------------------------------------------------- numbers

    def cpu(self) -> float:
        """CPU seconds so far of auditd, laurel and the kernel's thread."""
        return sum(_cpu_seconds(pid) for pid in (*self._pids(), _kauditd()))

    def resident(self) -> float:
        """MiB of auditd and laurel."""
        pages = (Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1] for pid in self._pids())
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def events(self) -> int:
        """Events that laurel has written: one a line."""
        files = self._folder.glob("laurel.log*")
        return sum(file.read_bytes().count(b"\n") for file in files)

    def lost(self) -> int:
        """Records that the kernel could not deliver since it runs."""
        return self._status()["lost"]

    def settle(self, patience: float = 60) -> None:
        """Wait until all that happened is written."""
        deadline, before = time.monotonic() + patience, -1.0
        while time.monotonic() < deadline:
            now = self.cpu()
            if not self._status()["backlog"] and now - before < 0.002:
                return
            before = now
            time.sleep(0.2)

    def _pids(self) -> list[int]:
        if self._daemon is None:
            return []
        parent = self._daemon.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        return [parent, *map(int, children)]

    def _status(self) -> dict[str, int]:
        pairs = (line.split() for line in self._control("-s").splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if pair[1].isdigit()}

    @staticmethod
    def _control(*arguments: str) -> str:
        command = [str(UNPACKED / "sbin/auditctl"), *arguments]
        done = subprocess.run(command, env=_environment(), check=True, capture_output=True, text=True)
        return done.stdout


def _environment() -> dict[str, str]:
    libraries = ":".join(str(path) for path in UNPACKED.glob("**/x86_64-linux-gnu"))
    return {**os.environ, "LD_LIBRARY_PATH": libraries}


def _kauditd() -> int:
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text(encoding="ascii") == "kauditd\n":
                return int(path.parent.name)
        except (OSError, UnicodeDecodeError):
            continue
    raise ValueError("this kernel has no kauditd")


def _cpu_seconds(pid: int) -> float:
    """Of all threads of a process; the clock's number is made of the PID (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)
