"""The scene that the Linux rows look at: what is done on this host, and what must therefore arrive.

Run by the tests as root. Each act leaves its truth, computed here by other means than the agent's.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOGIN, REAL, EFFECTIVE = "daemon", "bin", "nobody"
"""Accounts that every Debian host has: who logged in, who runs the program, whose rights it has."""


@dataclass
class Scene:
    """Where the acts happen and what they made; `mark` is in every name, so that one hunt finds them."""

    folder: Path
    mark: str
    started: int = 0
    ended: int = 0
    truth: dict[str, Any] = field(default_factory=dict)

    @property
    def program(self) -> Path:
        return self.folder / f"act-{self.mark}"

    @property
    def document(self) -> Path:
        return self.folder / f"made-{self.mark}.txt"

    def play(self) -> None:
        """Do everything once."""
        self.folder.chmod(0o755)
        shutil.copy("/bin/sleep", self.program)
        self.program.chmod(0o6755)
        os.chown(self.program, pwd.getpwnam(EFFECTIVE).pw_uid, grp.getgrnam("nogroup").gr_gid)
        self.program.chmod(0o6755)
        self.started = _micros()
        self._run_as_others()
        self._make_a_document()
        self._listen_and_connect()
        self.ended = _micros()
        self.truth |= {
            "host.name": socket.getfqdn(),
            "program": digests(self.program),
            "shell": digests(Path("/bin/sh").resolve()),
            "python": digests(Path(os.path.realpath("/proc/self/exe"))),
            "document": digests(self.document),
        }

    def _run_as_others(self) -> None:
        """Have a shell (in LOGIN's login session) start the setuid program with odd arguments and an environment."""
        real = pwd.getpwnam(REAL)

        def become() -> None:
            Path("/proc/self/loginuid").write_text(str(pwd.getpwnam(LOGIN).pw_uid))
            os.setgroups([])
            os.setresgid(real.pw_gid, real.pw_gid, real.pw_gid)
            os.setresuid(real.pw_uid, real.pw_uid, real.pw_uid)

        subprocess.run(
            ["/bin/sh", "-c", f'{self.program} 0.3 "0.1" ; true'],
            preexec_fn=become, cwd="/usr/share", check=True,
            env={"VEDETTE_MARK": self.mark, "VEDETTE_SECRET_TOKEN": "do-not-store-me", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    def _make_a_document(self) -> None:
        old = os.umask(0o027)
        try:
            with self.document.open("w") as file:
                file.write(f"written by the scene {self.mark}\n" * 100)
        finally:
            os.umask(old)

    def _listen_and_connect(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.truth["port"] = server.getsockname()[1]
            with socket.create_connection(server.getsockname()) as client:
                self.truth["client_port"] = client.getsockname()[1]
                server.accept()[0].close()


def _micros() -> int:
    return time.time_ns() // 1000


def digests(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {
        "path": str(path),
        "name": path.name,
        "directory": str(path.parent),
        "size": len(data),
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
