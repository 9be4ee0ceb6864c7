"""A real sshd on loopback and what is done over it; run by the tests as root.

The server runs in a mount namespace of its own: there, and only there, /etc/pam.d, /etc/passwd, /run and the login
records are ours, so nothing of the host is changed. Programs are unpacked under .build, never installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.scene import digests
from tests.conftest import REPOSITORY

ACCOUNT = "games"
"""An account that every Debian host has; in our namespace it may log in."""
UNPACKED = REPOSITORY / ".build" / "openssh"
_PAM = {
    "sshd": "auth required pam_unix.so\naccount required pam_unix.so\n"
    "session required pam_loginuid.so\nsession required pam_unix.so\n",
    "su": "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\n",
    "other": "auth required pam_deny.so\naccount required pam_deny.so\nsession required pam_deny.so\n",
}
_ENTER = """set -e
for name in pam.d passwd shadow; do mount --bind "$1/etc/$name" "/etc/$name"; done
for name in wtmp btmp lastlog; do test ! -e "/var/log/$name" || mount --bind "$1/log/$name" "/var/log/$name"; done
mount --bind "$1/run" /run
exec "$1/root/usr/sbin/sshd" -D -e -f "$1/sshd_config"
"""


def fetch() -> None:
    """Have the programs unpacked; without a package source that is a failure in CI and a skip elsewhere."""
    command = ["make", "-s", ".build/openssh/.ready"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"openssh cannot be fetched: {done.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@contextlib.contextmanager
def auditing() -> Iterator[None]:
    """Have the kernel audit, as journald and auditd do; when the last test run that needs it ends it is as before."""
    with (Path(tempfile.gettempdir()) / "vedette-auditing.lock").open("a+") as users:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else: this is the state to come back to
            users.truncate(0)
            users.write(str(_audit_enabled()))
            users.flush()
        fcntl.flock(users, fcntl.LOCK_SH)
        if _audit_enabled() == 0:
            _enable(1)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                users.seek(0)
                if users.read() == "0":
                    _enable(0)


def _enable(enabled: int) -> None:
    _audit(1001, struct.pack("=11I", 1, enabled, *[0] * 9))


def _audit(number: int, payload: bytes = b"") -> bytes:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as asked:
        asked.bind((0, 0))
        asked.settimeout(5)
        asked.send(struct.pack("=IHHII", 16 + len(payload), number, 1 if number == 1000 else 5, 1, 0) + payload)
        return asked.recv(8192)


def _audit_enabled() -> int:
    return int(struct.unpack_from("=2I", _audit(1000), 16)[1])


@dataclass
class SshScene:
    """One server, one login, one failed login, one failed su. `mark` is in what can be hunted for."""

    folder: Path
    mark: str
    port: int = 0
    server: subprocess.Popen[bytes] | None = None
    truth: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._prepare()
        libraries = ":".join(str(path) for path in UNPACKED.glob("usr/lib/*-linux-gnu"))
        log = (self.folder / "sshd.log").open("wb")
        self.server = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _ENTER, "sh", str(self.folder)],
            env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries},
            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 15
        while self.server.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.1)
        pytest.fail(f"sshd does not answer: {self.log()}")

    def stop(self) -> None:
        """End the server and every session of it."""
        if self.server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.server.pid, signal.SIGTERM)
            self.server.wait(10)

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")[-4000:]

    def play(self) -> None:
        """Log in and do something, fail to become root, fail to log in."""
        self.truth["started"] = time.time_ns() // 1000
        inside = (
            f"tty; cat /proc/self/sessionid; echo; {self.folder}/act-{self.mark} 0.2; "
            f"echo wrong | su root -c true; echo done-{self.mark}"
        )
        self.truth |= {"inside": inside, "shell": digests(Path("/bin/sh").resolve())}
        said = self.ssh(inside, key="client")
        assert f"done-{self.mark}" in said.stdout, said.stderr + self.log()
        found = re.search(r"(/dev/pts/\d+)\s+(\d+)", said.stdout)
        assert found, said.stdout
        self.truth["tty"], self.truth["session"] = found.group(1).removeprefix("/dev/"), found.group(2)
        refused = self.ssh("true", key="stranger")
        assert refused.returncode == 255, refused
        self.truth["ended"] = time.time_ns() // 1000

    def ssh(self, command: str, *, key: str) -> subprocess.CompletedProcess[str]:
        client = shutil.which("ssh") or str(UNPACKED / "usr/bin/ssh")
        options = (
            "StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder}/known", "BatchMode=yes",
            "IdentitiesOnly=yes", "LogLevel=ERROR",
        )  # fmt: skip
        return subprocess.run(
            [client, "-F", "/dev/null", "-tt", "-p", str(self.port), "-i", str(self.folder / key),
             *(part for option in options for part in ("-o", option)), f"{ACCOUNT}@127.0.0.1", command],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def _prepare(self) -> None:
        folder = self.folder
        folder.chmod(0o755)
        for name in ("etc/pam.d", "log", "run/sshd", "home/.ssh"):
            (folder / name).mkdir(parents=True)
        (folder / "root").symlink_to(UNPACKED)
        for name, lines in _PAM.items():
            (folder / "etc/pam.d" / name).write_text(lines)
        for name in ("wtmp", "btmp", "lastlog"):
            (folder / "log" / name).touch()
        (folder / "run/utmp").touch()
        shutil.copy("/bin/sleep", folder / f"act-{self.mark}")
        self._accounts()
        keygen = shutil.which("ssh-keygen") or str(UNPACKED / "usr/bin/ssh-keygen")
        for name in ("host", "client", "stranger"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        keys = folder / "home/.ssh/authorized_keys"
        shutil.copy(folder / "client.pub", keys)
        keys.chmod(0o644)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM yes\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {keys}\n"
            "StrictModes no\nUseDNS no\nPrintMotd no\n"
        )

    def _accounts(self) -> None:
        """Copy the host's accounts; ours may log in, and the server has the one that it wants."""
        entry = pwd.getpwnam(ACCOUNT)
        passwd = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith(f"{ACCOUNT}:")]
        passwd.append(f"{ACCOUNT}:x:{entry.pw_uid}:{entry.pw_gid}::{self.folder}/home:/bin/sh")
        if not any(line.startswith("sshd:") for line in passwd):
            passwd.append("sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin")
        (self.folder / "etc/passwd").write_text("\n".join(passwd) + "\n")
        shadow = self.folder / "etc/shadow"
        shadow.write_text(f"root:*:19000:0:99999:7:::\n{ACCOUNT}:*:19000:0:99999:7:::\n")
        shadow.chmod(0o600)
