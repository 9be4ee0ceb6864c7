"""The modes without eBPF on the running kernel, each forced: what programs really do comes out. Only loopback."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.agent.linux.auditing import auditing
from tests.agent.linux.live import Live, digests, end_of, is_about, is_process, operation, run

from vedette.agent.linux import hashing, lookups
from vedette.schema.events.files import FileChange, FileCreate
from vedette.schema.events.network import NetworkConnect, PortListen
from vedette.schema.events.process import ProcessStart

pytestmark = pytest.mark.root
SLOW = "1.5"
"""Seconds that a program must live for every mode to see it."""


@pytest.fixture(scope="module", params=["audit", "proc", "poll"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookups, "LONGEST", 20_000_000_000)
        patch.setattr(hashing, "BURST", 1 << 50)
        with auditing() if request.param == "audit" else nullcontext(), Live(request.param) as live:
            yield live


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_a_program_has_arguments_folder_environment_digests_and_parent(live: Live, place: Path) -> None:
    with subprocess.Popen(
        ["/bin/sleep", SLOW, "0.0"], cwd=place, env={"A": "two words", "API_TOKEN": "secret"}
    ) as child:
        process = live.start_of(child.pid, "sleep")
    assert process.args == ("/bin/sleep", SLOW, "0.0")
    assert process.args_truncated is False
    assert process.working_directory == str(place)
    assert process.env == {"A": "two words", "API_TOKEN": "<redacted>"}
    assert process.file is not None
    assert (process.file.md5, process.file.sha256) == digests(Path("/bin/sleep").resolve())
    assert process.parent is not None
    assert process.parent.pid == os.getpid()
    ended = live.stop_of(child.pid)
    assert ended.entity_id == process.entity_id
    assert ended.exit_code == (None if live.source.mode == "poll" else 0)


def test_the_account_and_the_chain_of_parents_are_told(live: Live) -> None:
    code = (
        f"import os, time; os.setgid(65534); os.setuid(65534); os.execv('/bin/sh', ['sh', '-c', 'sleep {SLOW}; true'])"
    )
    pid = run(sys.executable, "-c", code)
    event = live.one(
        ProcessStart,
        lambda e: e.process is not None and e.process.args == ("sleep", SLOW) and _parent(e) == pid,
    )
    assert event.user is not None
    assert event.user.id == "65534"
    assert event.process is not None
    assert event.process.parent is not None
    assert event.process.parent.entity_id == live.stop_of(pid).entity_id


def _parent(event: ProcessStart) -> int | None:
    return event.process.parent.pid if event.process is not None and event.process.parent is not None else None


def test_a_file_that_is_made_renamed_changed_and_deleted(live: Live, place: Path) -> None:
    one, two = place / "one", place / "two"
    run(
        "/bin/sh",
        "-c",
        f"echo payload > {one}; mv {one} {two}; echo more >> {two}; chmod 4755 {two}; sleep 1; rm {two}",
    )
    made = live.one(FileCreate, lambda e: is_about(e, one))
    assert made.file is not None
    assert made.file.sha256 is not None
    renamed = live.one(FileChange, lambda e: is_about(e, two) and operation(e) == "rename").file
    assert renamed is not None
    assert renamed.previous is not None
    assert renamed.previous.path == str(one)
    written = live.one(FileChange, lambda e: is_about(e, two) and operation(e) == "write").file
    assert written is not None
    assert written.sha256 == hashlib.sha256(b"payload\nmore\n").hexdigest()
    changed = live.one(FileChange, lambda e: is_about(e, two) and operation(e) == "attributes").file
    assert changed is not None
    assert changed.inherited_privileges == "setuid"
    live.one(FileChange, lambda e: is_about(e, two) and operation(e) == "delete")
    assert len(live.all(FileCreate, lambda e: is_about(e, one))) == 1


def test_a_file_names_the_program_that_made_it(live: Live, place: Path) -> None:
    path = place / "made"
    pid = run("/bin/sh", "-c", f"sleep {SLOW}; echo hello > {path}; sleep {SLOW}")
    event = live.one(FileCreate, lambda e: is_about(e, path))
    assert event.process is not None
    assert event.file is not None
    assert event.process.entity_id == live.start_of(pid).entity_id
    assert (event.file.size, event.file.sha256) == (6, digests(path)[1])
    assert event.user is not None
    assert event.user.name == "root"


def test_what_is_in_a_folder_that_goes_at_once_is_told_with_its_path(live: Live, place: Path) -> None:
    run("/bin/sh", "-c", f"mkdir {place}/folder; echo x > {place}/folder/file; rm -r {place}/folder")
    live.one(FileCreate, lambda e: is_about(e, place / "folder/file"))
    live.one(FileChange, lambda e: is_about(e, place / "folder") and operation(e) == "delete")


def test_a_renamed_folder_gives_its_files_their_new_path(live: Live, place: Path) -> None:
    run("/bin/sh", "-c", f"mkdir {place}/a; echo > {place}/a/x; mv {place}/a {place}/b; echo > {place}/b/y")
    live.one(FileCreate, lambda e: is_about(e, place / "b/y"))


def test_a_listening_port_and_both_sides_of_a_connection(live: Live) -> None:
    code = (
        "import socket, time; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen();"
        "c=socket.create_connection(s.getsockname()); a=s.accept();"
        f"print(s.getsockname()[1], c.getsockname()[1], flush=True); time.sleep(2*{SLOW})"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    server, client = map(int, child.stdout.split())
    event = live.one(PortListen, lambda e: e.socket is not None and e.socket.local_port == server)
    assert event.socket is not None
    assert (event.socket.protocol, event.socket.local_ip) == ("tcp", "127.0.0.1")
    assert event.process is not None
    for direction, port, other in (("outbound", client, server), ("inbound", server, client)):
        found = live.one(NetworkConnect, lambda e, d=direction, p=port: end_of(e) == (d, p))  # type: ignore[misc]
        assert found.socket is not None
        assert (found.socket.remote_ip, found.socket.remote_port) == ("127.0.0.1", other)
        assert found.process is not None
        assert found.process.entity_id == event.process.entity_id


def test_a_connected_datagram_socket_over_ipv6(live: Live) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::1", 0))
        port = server.getsockname()[1]
        code = f"import socket, time; s=socket.socket(10, 2); s.connect(('::1', {port})); time.sleep(2*{SLOW})"
        pid = run(sys.executable, "-c", code)
    event = live.one(NetworkConnect, lambda e: e.socket is not None and e.socket.remote_port == port)
    assert event.socket is not None
    assert (event.socket.protocol, event.socket.remote_ip) == ("udp", "::1")
    assert is_process(event.process, pid, "")


def test_nothing_is_refused_or_lost_and_a_program_is_told_once(live: Live) -> None:
    pid = run("/bin/sleep", SLOW)
    live.stop_of(pid)
    assert len(live.all(ProcessStart, lambda e: is_process(e.process, pid, "sleep"))) == 1
    assert live.source.refused() == {}
    assert set(live.source.drops()) <= {"file_change"}  # folders of others that vanish at once
