"""A PostgreSQL server of the test's own: Debian's, unpacked under .build, on a private socket, never as root."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from tests.conftest import REPOSITORY, until

from vedette.store.state.database import connect

UNPACKED = REPOSITORY / ".build" / "postgresql"
PROGRAMS = UNPACKED / "usr/lib/postgresql/15/bin"
_ACCOUNT = 65_534
"""Owns the files and runs the server, which refuses root; no other right than to read, as the folders may be root's."""


def fetch() -> None:
    """Have the programs unpacked; without a package source that is a failure in CI and a skip elsewhere."""
    command = ["make", "-s", ".build/postgresql/.ready"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"PostgreSQL cannot be fetched: {done.stderr.strip()[-300:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def empty(url: str) -> None:
    """Empty every table of a database but the one that tells its revision."""
    engine = connect(url)
    with engine.begin() as db:
        names = db.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        )
        db.execute(text(f"TRUNCATE {', '.join(names.scalars())}"))
    engine.dispose()


class PostgreSQL:
    """One server in `folder`, whose path must be short: a socket's may have 107 bytes."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, [argument for option in options for argument in ("-c", option)]
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, _ACCOUNT, _ACCOUNT)
        flags = ["--auth=trust", "--username=vedette", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._start("initdb", "-D", str(self._data), *flags).wait()

    def url(self, database: str = "postgres") -> str:
        """Give the SQLAlchemy URL of one of its databases."""
        made = URL.create("postgresql+psycopg", "vedette", database=database, query={"host": str(self._folder)})
        return made.render_as_string()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        where = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self._folder}"]
        self._process = self._start("postgres", "-D", str(self._data), *where, *self._options)
        until(self._answers, seconds=60, every=0.1, what="PostgreSQL", alive=self._alive)

    def kill(self) -> None:
        """End the server and all that serves its connections at once, by their pids."""
        if self._process is None:
            return
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        while any(Path(f"/proc/{pid}").exists() for pid in children):  # else the next start finds its memory in use
            time.sleep(0.05)
        self._process = None

    def stop(self) -> None:
        """End the server in order, connections too."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def log(self) -> str:
        """Give what it has printed."""
        return (self._folder.parent / f"{self._folder.name}.log").read_text(errors="replace")

    def _answers(self) -> bool:
        asked = self._start("pg_isready", "-h", str(self._folder), "-U", "vedette", "-d", "postgres", "-q")
        return asked.wait() == 0

    def _alive(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            pytest.fail(f"PostgreSQL ended with {self._process.returncode}:\n{self.log()[-3000:]}")

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(PROGRAMS / program), *arguments]
        if os.geteuid() == 0:
            who = [f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups", "--pdeathsig=QUIT"]
            reach = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
            command = ["setpriv", *who, *reach, "--", *command]
        libraries = UNPACKED / "usr/lib/x86_64-linux-gnu"
        with (self._folder.parent / f"{self._folder.name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env={"LD_LIBRARY_PATH": str(libraries), "TZ": "UTC", "PATH": "/usr/bin"}, cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
