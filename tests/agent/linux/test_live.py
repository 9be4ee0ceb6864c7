"""The source on the running kernel: what programs really do comes out as it was. Only loopback is touched."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.linux.live import HOST, Live, digests, end_of, is_about, is_process, operation, run

from vedette.agent.linux import hashing, lookups
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.probes.mounts import mounted
from vedette.schema.entities import File
from vedette.schema.events.files import DriverLoad, FileChange, FileCreate, ModuleLoad
from vedette.schema.events.network import DnsQuery, NetworkConnect, PortListen
from vedette.schema.events.process import ProcessAccess, ProcessStart
from vedette.schema.events.scripts import ScriptRun
from vedette.schema.policies import Settings

pytestmark = pytest.mark.root
MODE = os.environ.get("VEDETTE_TEST_KERNEL_MODE", "")


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    """What other programs of a busy machine write must not use up the time and the budget of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookups, "LONGEST", 20_000_000_000)
        patch.setattr(hashing, "BURST", 1 << 50)
        yield


@pytest.fixture(scope="module")
def live(_patient: None) -> Iterator[Live]:
    with Live(MODE) as live:
        yield live


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_a_program_with_odd_arguments_directory_and_environment(live: Live, place: Path) -> None:
    odd = ["", "two words", "tab\there", "quote\"'", "ünï", "-x=$HOME"]
    folder = place / "a folder"
    folder.mkdir()
    pid = run("/bin/true", *odd, cwd=folder, env={"A": "1=2", "EMPTY": "", "API_TOKEN": "secret"})
    process = live.start_of(pid)
    assert process.args == ("/bin/true", *odd)
    assert process.working_directory == str(folder)
    assert process.env == {"A": "1=2", "EMPTY": "", "API_TOKEN": "<redacted>"}
    assert process.args_truncated is False
    assert process.file is not None
    real = Path("/bin/true").resolve()
    assert (process.file.path, process.file.size) == (str(real), real.stat().st_size)
    assert (process.file.md5, process.file.sha256) == digests(real)
    assert process.file.owner == "root"
    assert process.parent is not None
    assert process.parent.pid == os.getpid()
    ended = live.stop_of(pid)
    assert (ended.entity_id, ended.exit_code, ended.exit_signal) == (process.entity_id, 0, 0)
    assert ended.end_time is not None
    assert ended.start_time is not None
    assert 0 <= ended.end_time - ended.start_time < 30_000_000


def test_arguments_longer_than_what_is_kept_are_cut_and_told(live: Live) -> None:
    pid = run("/bin/true", *(f"argument-{n}" for n in range(3000)))
    process = live.start_of(pid)
    assert process.args_truncated is True
    assert process.args is not None
    assert process.args[:2] == ("/bin/true", "argument-0")
    assert len(process.args) > 1000


def test_exit_code_and_signal(live: Live) -> None:
    assert live.stop_of(run("/bin/sh", "-c", "exit 7")).exit_code == 7
    assert live.stop_of(run("/bin/sh", "-c", "kill -9 $$")).exit_signal == 9


def test_a_chain_of_execs_keeps_one_identity(live: Live) -> None:
    pid = run("/bin/sh", "-c", "exec /bin/sh -c 'exec /bin/true last'")
    live.stop_of(pid)
    starts = live.all(ProcessStart, lambda e: is_process(e.process, pid, ""))
    commands = [event.process.command_line for event in starts if event.process]
    assert len(commands) == 3
    assert commands[-1] == "/bin/true last"
    assert {event.process.entity_id for event in starts if event.process} == {live.stop_of(pid).entity_id}


def test_the_chain_of_parents_has_no_hole(live: Live, place: Path) -> None:
    out = place / "pid"
    top = run("/bin/sh", "-c", f"(sh -c 'echo $$ > {out}; /bin/true deep; true'; true); true")
    last = live.one(
        ProcessStart, lambda e: e.process is not None and e.process.command_line == "/bin/true deep"
    ).process
    assert last is not None
    chain = [last]
    while chain[-1].pid != top:
        parent = chain[-1].parent
        assert parent is not None
        wanted = parent.entity_id
        above = live.one(ProcessStart, lambda e, w=wanted: e.process is not None and e.process.entity_id == w).process  # type: ignore[misc]
        assert above is not None
        chain.append(above)
    assert chain[1].pid == int(out.read_text())
    assert chain[0].parent is not None
    assert chain[0].parent.file is not None
    assert chain[0].parent.file.sha256 == digests(Path("/bin/sh").resolve())[1]


def test_many_short_programs_are_all_seen(live: Live) -> None:
    pids = [run("/bin/true", f"short-{n}") for n in range(100)]
    for pid in pids:
        assert live.start_of(pid, "true").entity_id == live.stop_of(pid).entity_id


def test_a_script_is_told_from_its_interpreter(live: Live, place: Path) -> None:
    script = place / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    process = live.start_of(run(str(script), "x"))
    assert (process.kind, process.args) == ("interpreted", ("/bin/sh", str(script), "x"))
    assert process.file is not None
    assert process.file.path == str(Path("/bin/sh").resolve())


def test_scripts_are_told_with_digests_and_their_beginning(live: Live, place: Path) -> None:
    script = place / "tool"
    script.write_text("#!/usr/bin/env python3\nAPI_TOKEN = 'abc'\nprint(1)\n")
    script.chmod(0o755)
    (place / "link").symlink_to(script)
    pids = [
        run(str(script), env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL),
        run("/usr/bin/python3", "-B", "link", cwd=place, stdout=subprocess.DEVNULL),
        run("/bin/sh", "-ec", "PASSWORD=abc true"),
    ]
    found = [live.one(ScriptRun, lambda e, p=pid: is_process(e.process, p, "")) for pid in pids]  # type: ignore[misc]
    for event, name in zip(found[:2], (script, place / "link"), strict=True):
        assert event.script is not None
        assert event.file is not None
        assert (event.script.path, event.file.sha256) == (str(name), digests(script)[1])
        assert event.script.content == "#!/usr/bin/env python3\nAPI_TOKEN = <redacted>\nprint(1)\n"
        assert (event.script.app_name or "").startswith("python3")
    assert found[2].script is not None
    assert (found[2].script.content, found[2].file) == ("PASSWORD=<redacted> true", None)
    assert len(live.all(ScriptRun, lambda e: is_process(e.process, pids[0], ""))) == 1


def test_lines_typed_in_a_shell_are_told(live: Live) -> None:
    code = (
        "import os, pty, time; pid, tty = pty.fork();\n"
        "if not pid: os.execv('/bin/bash', ['bash', '--norc', '--noprofile', '-i'])\n"
        "os.write(tty, b'echo typed-by-hand PASSWORD=abc\\nexit 3\\n')\n"
        "try:\n  while os.read(tty, 1000): pass\n"
        "except OSError: pass\n"
        "print(pid, os.waitpid(pid, 0)[1] >> 8)"
    )
    child = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True)
    pid, status = map(int, child.stdout.split())
    assert status == 3
    live.stop_of(pid)
    live.one(
        ScriptRun, lambda e: is_process(e.process, pid, "") and e.script is not None and e.script.content == "exit 3"
    )
    lines = live.all(ScriptRun, lambda e: is_process(e.process, pid, ""))
    assert [line.script.content for line in lines if line.script] == [
        "echo typed-by-hand PASSWORD=<redacted>",
        "exit 3",
    ]
    for line in lines:
        assert line.script is not None
        assert (line.script.app_name, line.script.content_name, line.file) == ("bash", "console", None)


def test_a_new_program_that_deletes_itself_is_hashed_or_says_why_not(live: Live, place: Path) -> None:
    program = place / "dropper"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    expected = digests(program)
    child = subprocess.Popen([program, "1"])
    program.unlink()
    process = live.start_of(child.pid, "dropper")
    child.wait()
    assert process.file is not None
    assert (process.file.md5, process.file.sha256) == expected


def test_a_program_that_exists_in_memory_only_is_told(live: Live) -> None:
    code = (
        "import os; f=os.memfd_create('payload'); os.write(f, open('/bin/true','rb').read());"
        "os.execve(f, ['innocent'], {})"
    )
    pid = run("/usr/bin/python3", "-c", code)
    process = live.start_of(pid, "memfd:payload")
    assert (process.kind, process.command_line) == ("memory", "innocent")
    made = live.one(
        FileCreate, lambda e: is_process(e.process, pid, "") and e.file is not None and e.file.type == "memory"
    )
    assert made.file is not None
    assert process.file is not None
    assert made.file.path == process.file.path == "memfd:payload"


CONTAINER = """
import ctypes, os, shutil, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000 | 0x20000000 | 0x20000) == 0, ctypes.get_errno()  # network, PIDs, mounts
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
assert libc.mount(b"none", sys.argv[1].encode(), b"tmpfs", 0, None) == 0
first = subprocess.Popen(["/bin/cat"])  # with the end of its first process a PID namespace ends
for number in range(20):
    program = f"{sys.argv[1]}/tool{number}"
    with open(program, "wb") as file:
        file.write(open("/bin/true", "rb").read() + b"%d" % number)
    os.chmod(program, 0o755)
    subprocess.run([program])
first.wait()
"""


def test_programs_of_a_container_that_end_at_once_have_digests_and_namespaces(live: Live, place: Path) -> None:
    with subprocess.Popen(["/usr/bin/python3", "-c", CONTAINER, str(place)], stdin=subprocess.PIPE) as entry:
        outside = live.start_of(entry.pid)
        for number in range(20):
            path = f"{place}/tool{number}"
            event = live.one(
                ProcessStart,
                lambda e, p=path: e.process is not None and e.process.file is not None and e.process.file.path == p,  # type: ignore[misc]
            )
            process = event.process
            assert process is not None
            assert process.file is not None
            assert process.file.sha256 == hashlib.sha256(Path("/bin/true").read_bytes() + b"%d" % number).hexdigest()
            for name, short in (("mount", "mnt"), ("network", "net"), ("pid", "pid_for_children")):
                inside = Path(f"/proc/{entry.pid}/ns/{short}").stat().st_ino
                assert getattr(process, f"{name}_namespace") == inside != getattr(outside, f"{name}_namespace")
        assert entry.stdin is not None
        entry.stdin.close()


def test_a_process_has_the_control_group_and_the_container_that_it_is_in(live: Live) -> None:
    root = mounted("cgroup2", Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    assert root is not None
    container = "0123456789abcdef" * 4
    group = root / f"docker-{container}.scope"
    group.mkdir()
    try:
        # The shell lives on while the agent asks for its group.
        command = f"echo $$ > {group}/cgroup.procs && /bin/cat && exec /bin/true inside"
        with subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE) as child:
            event = live.one(
                ProcessStart,
                lambda e: (
                    e.process is not None
                    and is_process(e.process, e.process.pid or 0, "cat")
                    and e.process.parent is not None
                    and e.process.parent.pid == child.pid
                ),
            )
            assert event.process is not None
            assert child.stdin is not None
            child.stdin.close()
        last = live.one(ProcessStart, lambda e: is_process(e.process, child.pid, "true")).process
        assert last is not None
        for process in (event.process, last):
            assert (process.cgroup_id, process.container_id) == (group.stat().st_ino, container)
    finally:
        group.rmdir()


def test_a_created_file_has_digests_type_dates_and_maker(live: Live, place: Path) -> None:
    path = place / "made.txt"
    before = time.time_ns() // 1000 - 1_000_000
    pid = run("/bin/sh", "-c", f"umask 027; echo hello > {path}")
    event = live.one(FileCreate, lambda e: is_about(e, path))
    assert event.process is not None
    assert event.file is not None
    file = event.file
    assert (event.process.pid, file.name, file.directory) == (pid, "made.txt", str(place))
    assert (file.md5, file.sha256) == digests(path)
    assert (file.size, file.mode, file.type, file.inherited_privileges) == (6, "0640", "regular, text", "")
    assert (file.owner, file.group) == ("root", "root")
    for moment in (file.created, file.modified):
        assert moment is not None
        assert before < moment < time.time_ns() // 1000 + 1_000_000


def test_a_file_closed_by_the_end_of_its_program_is_complete(live: Live, place: Path) -> None:
    path = place / "left-open"
    run("/usr/bin/python3", "-c", f"import os; os.write(os.open({str(path)!r}, 0o101), b'x' * 5000); os._exit(0)")
    file = live.one(FileCreate, lambda e: is_about(e, path)).file
    assert file is not None
    assert (file.size, file.sha256) == (5000, hashlib.sha256(b"x" * 5000).hexdigest())


def test_rename_and_deletion_through_the_descriptor_of_a_folder(live: Live, place: Path) -> None:
    code = (
        f"import os; d=os.open({str(place)!r}, 0); os.chdir('/');"
        "os.close(os.open('one', 0o101, dir_fd=d)); os.rename('one', 'two', src_dir_fd=d, dst_dir_fd=d);"
        "os.unlink('two', dir_fd=d)"
    )
    run("/usr/bin/python3", "-c", code)
    renamed = live.one(FileChange, lambda e: is_about(e, place / "two") and operation(e) == "rename").file
    assert renamed is not None
    assert renamed.previous is not None
    assert renamed.previous.path == str(place / "one")
    live.one(FileChange, lambda e: is_about(e, place / "two") and operation(e) == "delete")


@pytest.mark.parametrize("how", ["", "skip"], ids=["told when done", "not told"])
def test_what_a_program_lets_io_uring_do(live: Live, place: Path, how: str) -> None:
    ring = Path(__file__).with_name("ring_program.py")
    child = subprocess.run(["/usr/bin/python3", str(ring), str(place), how], capture_output=True, text=True, check=True)
    server, client, closed = map(int, child.stdout.split())
    made = live.one(FileCreate, lambda e: is_about(e, place / "made")).file
    assert made is not None
    assert made.sha256 == hashlib.sha256(b"by the ring").hexdigest()
    moved = live.one(FileChange, lambda e: is_about(e, place / "moved") and operation(e) == "rename").file
    assert moved is not None
    assert moved.previous is not None
    assert moved.previous.path == str(place / "made")
    links = [live.one(FileCreate, lambda e, n=name: is_about(e, place / n)).file for name in ("link", "other")]  # type: ignore[misc]
    assert links[0] is not None
    assert links[0].type == "symlink"
    live.one(FileChange, lambda e: is_about(e, place / "other") and operation(e) == "delete")
    for end in (("outbound", client), ("inbound", server)):
        live.one(NetworkConnect, lambda e, wanted=end: end_of(e) == wanted)  # type: ignore[misc]
    live.one(NetworkConnect, lambda e: e.socket is not None and e.socket.remote_port == closed)
    assert live.all(FileChange, lambda e: is_about(e, place / "not-there")) == []


def test_what_failed_is_no_event(live: Live, place: Path) -> None:
    done = place / "done"
    code = f"import os\nfor n in ('no', 'such'):\n try: os.unlink({str(place)!r} + '/' + n)\n except OSError: pass\n"
    run("/usr/bin/python3", "-c", code + f"open({str(done)!r}, 'w').close()")
    live.one(FileCreate, lambda e: is_about(e, done))
    assert live.all(FileChange, lambda e: is_about(e, place / "no") or is_about(e, place / "such")) == []


def test_a_write_to_a_file_that_existed(live: Live, place: Path) -> None:
    path = place / "old"
    path.write_text("old")  # made by this process, which is the agent's own in this test and thus not observed
    run("/bin/sh", "-c", f"echo more >> {path}")
    change = live.one(FileChange, lambda e: is_about(e, path) and operation(e) == "write").file
    assert change is not None
    assert (change.size, change.sha256) == (8, digests(path)[1])


def test_a_setuid_bit_is_an_attribute_change_with_inherited_privileges(live: Live, place: Path) -> None:
    path = place / "tool"
    path.write_text("x")
    run("/bin/chmod", "4755", str(path))
    change = live.one(FileChange, lambda e: is_about(e, path) and operation(e) == "attributes").file
    assert change is not None
    assert (change.mode, change.inherited_privileges) == ("4755", "setuid")


def test_a_symbolic_link_and_a_pipe_are_created_files(live: Live, place: Path) -> None:
    run("/bin/sh", "-c", f"ln -s target {place}/link; mkfifo {place}/pipe")
    link = live.one(FileCreate, lambda e: is_about(e, place / "link")).file
    pipe = live.one(FileCreate, lambda e: is_about(e, place / "pipe")).file
    assert link is not None
    assert pipe is not None
    assert (link.type, pipe.type) == ("symlink", "fifo")


def test_a_download_that_is_renamed_has_its_digests_in_both_events(live: Live, place: Path) -> None:
    run("/bin/sh", "-c", f"echo payload > {place}/x.part; mv {place}/x.part {place}/x")
    expected = hashlib.sha256(b"payload\n").hexdigest()
    made = live.one(FileCreate, lambda e: is_about(e, place / "x.part")).file
    moved = live.one(FileChange, lambda e: is_about(e, place / "x") and operation(e) == "rename").file
    assert made is not None
    assert moved is not None
    assert (made.sha256, moved.sha256) == (expected, expected)


def test_excluded_paths_are_silent(live: Live, place: Path) -> None:
    folder = place / "excluded-by-test"
    folder.mkdir()
    after = place / "after"
    run("/bin/sh", "-c", f"echo > {folder}/x; rm {folder}/x; echo > {after}")
    live.one(FileCreate, lambda e: is_about(e, after))
    assert live.all(FileCreate, lambda e: is_about(e, folder / "x")) == []
    assert live.all(FileChange, lambda e: is_about(e, folder / "x")) == []


def test_a_listening_port_and_both_sides_of_a_connection(live: Live) -> None:
    code = (
        "import socket; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen();"
        "c=socket.create_connection(s.getsockname()); a=s.accept(); print(s.getsockname()[1], c.getsockname()[1])"
    )
    child = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True)
    server, client = map(int, child.stdout.split())
    listening = live.one(PortListen, lambda e: e.socket is not None and e.socket.local_port == server).socket
    assert listening is not None
    assert (listening.protocol, listening.local_ip) == ("tcp", "127.0.0.1")
    ends = [
        live.one(NetworkConnect, lambda e, d=direction, p=port: end_of(e) == (d, p)).socket  # type: ignore[misc]
        for direction, port in (("outbound", client), ("inbound", server))
    ]
    assert ends[0] is not None
    assert ends[1] is not None
    assert (ends[0].remote_ip, ends[0].remote_port, ends[1].remote_port) == ("127.0.0.1", server, client)


def test_udp_and_refused_connections_over_ipv6_too(live: Live) -> None:
    with socket.socket(socket.AF_INET6) as unused:
        unused.bind(("::1", 0))
        closed = unused.getsockname()[1]
        code = (
            f"import socket; s=socket.socket(socket.AF_INET6); s.connect_ex(('::1', {closed}));"
            f"u=socket.socket(type=socket.SOCK_DGRAM); u.connect(('127.0.0.1', {closed}))"
        )
        run("/usr/bin/python3", "-c", code)
    for protocol, address in (("tcp", "::1"), ("udp", "127.0.0.1")):
        live.one(
            NetworkConnect,
            lambda e, p=protocol, a=address: (
                e.socket is not None  # type: ignore[misc]
                and (e.socket.protocol, e.socket.remote_ip, e.socket.remote_port) == (p, a, closed)
            ),
        )


def test_datagrams_to_one_place_are_one_event_and_their_ports_are_listening(live: Live) -> None:
    code = (
        "import socket as s; a=[s.socket(f, s.SOCK_DGRAM) for f in (s.AF_INET, s.AF_INET, s.AF_INET6, s.AF_INET6)];"
        "a[0].bind(('127.0.0.1', 0)); a[2].bind(('::1', 0));"
        "[a[1].sendto(b'x', a[0].getsockname()) for _ in range(50)]; [a[3].sendto(b'x', a[2].getsockname())"
        " for _ in range(50)]; print(a[0].getsockname()[1], a[2].getsockname()[1])"
    )
    child = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True)
    for address, port in zip(("127.0.0.1", "::1"), map(int, child.stdout.split()), strict=True):

        def is_that(e: NetworkConnect, p: int = port) -> bool:
            return e.socket is not None and e.socket.protocol == "udp" and e.socket.remote_port == p

        sent = live.one(NetworkConnect, is_that)
        assert sent.socket is not None
        assert (sent.socket.remote_ip, sent.socket.direction) == (address, "outbound")
        listening = live.one(PortListen, lambda e, p=port: e.socket is not None and e.socket.local_port == p)  # type: ignore[misc]
        assert listening.socket is not None
        assert (listening.socket.protocol, listening.socket.local_ip) == ("udp", address)
        assert listening.process == sent.process
        assert len(live.all(NetworkConnect, is_that)) == 1


RESOLVER = """
import ctypes, os, socket, struct, subprocess, sys, threading
from fcntl import ioctl
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000 | 0x20000) == 0, ctypes.get_errno()  # a network and mounts of its own
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
if sys.argv[1] != "-":
    assert libc.mount(sys.argv[1].encode(), b"/etc/resolv.conf", None, 0x1000, None) == 0
with socket.socket() as any_socket:
    ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
for one in (udp, tcp):
    one.bind(("127.0.0.53", 53))
tcp.listen()

def answer(query, stream):
    name_end = query.index(b"\\0", 12) + 5
    labels = query[13:]
    if labels.startswith(b"silent"):
        return None
    kind = query[name_end - 4 : name_end - 2]
    if labels.startswith(b"missing"):
        flags, records = 0x8183, []
    elif labels.startswith(b"large") and not stream:
        flags, records = 0x8380, []  # cut: to be asked again over TCP
    else:
        flags, records = 0x8180, [bytes([192, 0, 2, 1])] if kind == b"\\0\\1" else []
    body = b"".join(b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + record for record in records)
    return query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0) + query[12:name_end] + body

def serve_udp():
    while True:
        query, who = udp.recvfrom(4096)
        reply = answer(query, False)
        if reply:
            udp.sendto(reply, who)

def serve_tcp():
    while True:
        client, _ = tcp.accept()
        while len(query := client.recv(4096)) > 2:
            reply = answer(query[2:], True)
            client.sendall(len(reply).to_bytes(2, "big") + reply)

for serve in (serve_udp, serve_tcp):
    threading.Thread(target=serve, daemon=True).start()
for command in sys.argv[2:]:
    subprocess.run(command.split(" "), timeout=40)
"""


def test_names_that_programs_look_up_with_what_they_were_told(live: Live, place: Path) -> None:
    settings = place / "resolv.conf"
    settings.write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    code = (
        "import socket; s=socket.socket(type=socket.SOCK_DGRAM); s.sendto(bytes.fromhex("
        "'1234 0100 0001 0000 0000 0000 05 c3bc2e5c09 07 6578616d706c65 00 0010 0001'), ('127.0.0.53', 53)); s.recv(99)"
    )
    odd = place / "odd.py"
    odd.write_text(code)
    names = ("plain", "missing", "large", "silent")
    run(
        "/usr/bin/python3", "-c", RESOLVER, str(settings), *(f"/usr/bin/getent hosts {n}.example" for n in names),
        f"/usr/bin/python3 {odd}",
    )  # fmt: skip

    def asked(name: str, protocol: str = "udp") -> DnsQuery:
        return live.one(
            DnsQuery,
            lambda e: (
                e.dns is not None
                and e.socket is not None
                and (e.dns.query, e.socket.protocol) == (name, protocol)
                and e.dns.type != "AAAA"
            ),
        )

    plain = asked("plain.example")
    assert plain.dns is not None
    assert (plain.dns.type, plain.dns.answers, plain.dns.status) == ("A", ("192.0.2.1",), "NOERROR")
    assert plain.process is not None
    assert plain.process.command_line == "/usr/bin/getent hosts plain.example"
    assert plain.socket is not None
    assert (plain.socket.remote_ip, plain.socket.remote_port) == ("127.0.0.53", 53)
    for name, protocol, answers, status in (
        ("missing.example", "udp", (), "NXDOMAIN"),
        ("large.example", "udp", (), "NOERROR"),
        ("large.example", "tcp", ("192.0.2.1",), "NOERROR"),
        ("silent.example", "udp", None, "TIMEOUT"),
        ("\\195\\188\\.\\\\\\009.example", "udp", (), "NOERROR"),
    ):
        event = asked(name, protocol)
        assert event.dns is not None
        assert (event.dns.answers, event.dns.status) == (answers, status)
        assert event.process is not None
        assert event.process.command_line is not None
        assert "getent" in event.process.command_line or "odd.py" in event.process.command_line


def test_a_loaded_library_has_its_digests(live: Live) -> None:
    pid = run("/bin/true")
    event = live.one(
        ModuleLoad,
        lambda e: is_process(e.process, pid, "") and e.file is not None and (e.file.name or "").startswith("libc"),
    )
    assert event.file is not None
    assert event.file.path is not None
    assert event.file.sha256 == digests(Path(event.file.path))[1]


def test_what_the_agent_does_itself_is_not_observed(live: Live, place: Path) -> None:
    own, other = place / "own", place / "other"
    own.write_text("x")
    run("/bin/sh", "-c", f"echo > {other}")
    live.one(FileCreate, lambda e: is_about(e, other))
    assert live.all(FileCreate, lambda e: is_about(e, own)) == []


def test_a_restarted_agent_names_a_running_parent_as_before(live: Live) -> None:
    with subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, text=True) as shell:
        before = live.start_of(shell.pid)
        with Live(MODE) as restarted:
            assert shell.stdin is not None
            shell.stdin.write("/bin/true after-restart; exit\n")
            shell.stdin.flush()
            event = restarted.one(
                ProcessStart, lambda e: e.process is not None and e.process.command_line == "/bin/true after-restart"
            )
            assert event.process is not None
            parent = event.process.parent
            assert parent is not None
            assert parent.file is not None
            assert before.file is not None
            assert (parent.entity_id, parent.pid) == (before.entity_id, shell.pid)
            assert (parent.command_line, parent.file.sha256) == ("/bin/sh", before.file.sha256)
            ended = restarted.stop_of(shell.pid)
            assert (ended.entity_id, ended.command_line) == (before.entity_id, "/bin/sh")


def test_the_status_tells_mode_refusals_and_losses(live: Live) -> None:
    status = live.source.status()
    assert isinstance(status["refused"], dict)
    if status["mode"] == "lsm":
        assert set(status["refused"]) <= {"file_released"}  # a hook that Linux 6.1 does not have
    else:
        assert status["mode"] == "tracepoint"
        assert set(status["refused"]) <= {"lsm"}
    assert status["malformed"] == 0
    assert live.source.drops() == {}


def test_without_root_the_source_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "need root" in KernelSource(HOST, Settings()).supported()


def test_a_file_entity_is_shared_by_all_runs_of_a_program(live: Live) -> None:
    files: list[File | None] = [live.start_of(run("/bin/true")).file for _ in range(2)]
    assert files[0] is files[1]


def test_other_settings_are_in_force_while_it_runs(place: Path) -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, env={"PIN": "1234"}) as running, Live(MODE) as live:
        live.source.apply(Settings(redact=("pin",), exclude_paths=(f"{place}/quiet*",)))
        live.start_of(run("/bin/true"))
        run("/bin/sh", "-c", f"echo > {place}/quiet; echo > {place}/loud", env={"PIN": "never-to-be-shown"})
        live.one(FileCreate, lambda e: is_about(e, place / "loud"))
        assert running.stdin is not None
        running.stdin.close()
        assert live.stop_of(running.pid).env == {"PIN": "<redacted>"}
        assert live.all(FileCreate, lambda e: is_about(e, place / "quiet")) == []
        assert "never-to-be-shown" not in str(live.events)


def test_a_debugger_that_attaches_to_another_process_is_told(live: Live) -> None:
    # The target answers a line first: its parent may go on before the kernel has told of the target's exec.
    code = (
        "import ctypes, os, subprocess as s; c=s.Popen(['/bin/cat'], stdin=-1, stdout=-1, bufsize=0);"
        "c.stdin.write(b'.'); c.stdout.read(1); l=ctypes.CDLL(None);"
        "assert l.ptrace(16, c.pid, 0, 0) == 0; os.waitpid(c.pid, 0); print(c.pid); l.ptrace(17, c.pid, 0, 0);"
        "c.kill(); os.waitpid(c.pid, 0)"
    )
    with subprocess.Popen(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        target = int(child.stdout.read())
    event = live.one(
        ProcessAccess, lambda e: e.process is not None and e.process.pid == child.pid and e.target is not None
    )
    assert event.target is not None
    assert (event.target.pid, event.target.granted_access) == (target, "0x2")
    assert event.target.file is not None
    assert event.target.file.name == "cat"
    assert event.target.entity_id == live.start_of(target, "cat").entity_id


def test_a_bpf_program_that_another_process_loads_is_a_driver(live: Live) -> None:
    # r0 = 0; exit: a socket filter that lets nothing through, and is attached to nothing
    code = (
        "import ctypes as c, platform; i=c.create_string_buffer(bytes.fromhex('b700000000000000 9500000000000000'));"
        "l=c.create_string_buffer(b'GPL'); a=(c.c_uint64*18)(); a[0]=1|2<<32; a[1]=c.addressof(i); a[2]=c.addressof(l);"
        "c.memmove(c.addressof(a)+48, b'innocent', 8);"
        "f=c.CDLL(None).syscall({'x86_64':321,'aarch64':280}[platform.machine()], 5, a, 144); assert f > 0, f"
    )
    pid = run("/usr/bin/python3", "-c", code)
    event = live.one(DriverLoad, lambda e: is_process(e.process, pid, ""))
    assert event.file is not None
    assert (event.file.name, event.file.type) == ("bpf:innocent", "bpf program, socket_filter")


@pytest.mark.skipif(not Path("/modules/dummy.ko").exists(), reason="no kernel module to load (tests/vm has one)")
def test_a_kernel_module_is_a_driver_from_a_file_and_from_memory(live: Live) -> None:
    code = (
        "import ctypes, os; l=ctypes.CDLL(None); l.syscall(313, os.open('/modules/dummy.ko', 0), b'', 0);"
        "assert l.syscall(176, b'dummy', 0) == 0; d=open('/modules/dummy.ko', 'rb').read();"
        "assert os.fork() or os._exit(l.syscall(175, d, len(d), b'')); assert os.wait()[1] == 0"
    )
    pid = run("/usr/bin/python3", "-c", code)
    size = Path("/modules/dummy.ko").stat().st_size
    memory = live.one(DriverLoad, lambda e: e.file is not None and e.file.name == "dummy")
    assert memory.file is not None
    assert (memory.file.size, memory.file.type) == (size, "kernel module, memory")
    assert memory.process is not None
    assert memory.process.parent is not None
    assert memory.process.parent.pid == pid
    event = live.one(DriverLoad, lambda e: e.process is not None and e.process.pid == pid)
    assert event.file is not None
    assert event.file.path == "/modules/dummy.ko"
    assert (event.file.md5, event.file.sha256) == digests(Path("/modules/dummy.ko"))
