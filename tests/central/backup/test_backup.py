"""A backup is one moment: whatever was stored, settled or only received then is there once after a restore."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.central.backup.conftest import quiet
from tests.central.pipeline.test_crashes import Processes, enrol, seal
from tests.store.conftest import StoreProcess
from tests.store.test_hour_table import equal, segment

from vedette.central.backup import contents, manifest, moment
from vedette.central.backup.contents import Piece
from vedette.central.backup.make import backup
from vedette.central.backup.manifest import BackupError
from vedette.central.backup.restore import restore
from vedette.central.layout import Layout
from vedette.runtime.clock import now
from vedette.runtime.errors import ConfigError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.segment import Record
from vedette.store.state import audit, ledger

if TYPE_CHECKING:
    from tests.central.conftest import Node

EVENTS = 50


@contextmanager
def running(layout: Layout) -> Iterator[None]:
    """Hold the directory as a supervisor does."""
    handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield
    os.close(handle)


def make(node: Node, target: Path) -> None:
    backup(node.layout.data, target, clock=now, progress=quiet)
    assert not node.layout.copying.exists()
    assert not (node.layout.engine / "shadow" / contents.FROZEN).exists()


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_empty(spool: Path) -> bool:
    return not any(spool.glob("*.seg"))


def has_grown(told: list[int], before: int) -> bool:
    return len(told) > before + 3


def stored(processes: Processes) -> list[tuple[int, ...]]:
    sql = "SELECT count(), uniqExact(`event.sequence`), max(`event.sequence`) FROM event"
    hours = processes.store().query("SELECT sum(events) FROM event_hour")
    return [*processes.store().query(sql), *hours]


def in_ledger(node: Node, agent: str) -> tuple[int, int]:
    with node.state.read() as db:
        scope = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
        (stream,) = ledger.streams(db, scope, [agent])
    return stream.stored, stream.dead_letter


@pytest.mark.slow
def test_settled_inserted_and_waiting_segments_are_each_stored_once(
    prepared_node: Node, processes_at: Callable[[Node], Processes], node_in: Callable[[Path], Node], tmp_path: Path,
    make_record: Callable[..., Record],
) -> None:  # fmt: skip
    node, processes = prepared_node, processes_at(prepared_node)
    agent = enrol(node)
    records = [make_record(1 + n * EVENTS, EVENTS, agent=agent) for n in range(4)]
    processes.start("store")
    processes.start("pipeline-0")
    seal(node.layout.spool, 0, records[0])  # is settled
    wait_for(partial(is_empty, node.layout.spool))
    with node.state.write():  # so nothing can be settled
        seal(node.layout.spool, 1, records[1])  # is inserted only
        wait_for(lambda: stored(processes)[0][0] == 2 * EVENTS)
        processes.running["pipeline-0"].kill()
        processes.running.pop("pipeline-0").wait()
    seal(node.layout.spool, 2, records[2])  # waits
    (node.layout.spool / "000000000003.open").write_bytes((node.layout.spool / "000000000002.seg").read_bytes() + b"\0")
    (node.layout.spool / "next").write_bytes(b"1000")

    with running(node.layout):
        make(node, tmp_path / "live")
    processes.stop()
    processes.running.clear()
    make(node, tmp_path / "at-rest")

    for kind in ("live", "at-rest"):
        restore(tmp_path / kind, tmp_path / f"new-{kind}", progress=quiet)
        other = node_in(tmp_path / f"new-{kind}")
        again = processes_at(other)
        again.start("store")
        assert stored(again) == [(2 * EVENTS,) * 3, (2 * EVENTS,)]
        again.start("pipeline-0")
        wait_for(partial(is_empty, other.layout.spool))
        assert stored(again) == [(3 * EVENTS,) * 3, (3 * EVENTS,)]
        assert in_ledger(other, agent) == (3 * EVENTS, 0)
        assert (other.layout.spool / "next").read_bytes() == b"1000"
        assert (other.layout.spool / "000000000003.open").exists()
        with other.state.read() as db:
            assert audit.verify(db, other.layout.audit_key.read_bytes()).whole
        again.stop()


@pytest.mark.slow
def test_parts_and_tokens_fit_each_other_while_inserts_go_on(
    prepared_node: Node, store_at: Callable[[Path], StoreProcess], tmp_path: Path
) -> None:
    layout = prepared_node.layout
    store = store_at(layout.data).start()
    told: list[int] = []
    enough = threading.Event()

    def insert() -> None:
        """As pipelines do: a few at a time, then none for a while."""
        while not enough.wait(0.5):
            for _ in range(3):
                store.insert(segment(len(told), rows=20, days=1), token=f"{len(told)}/0")
                told.append(len(told))

    thread = threading.Thread(target=insert)
    thread.start()
    try:
        for number in range(2):
            before = len(told)
            wait_for(partial(has_grown, told, before))
            with running(layout):
                make(prepared_node, tmp_path / f"backup-{number}")
    finally:
        enough.set()
        thread.join()
    for number in range(2):
        new = tmp_path / f"new-{number}"
        restore(tmp_path / f"backup-{number}", new, progress=quiet)
        process = store_at(new)
        again = process.start()
        assert 0 < equal(again) < len(told) * 20 or number
        for one in told:
            again.insert(segment(one, rows=20, days=1), token=f"{one}/0")
        assert equal(again) == len(told) * 20
        process.stop()


@pytest.fixture
def at_rest(prepared_node: Node, store_at: Callable[[Path], StoreProcess]) -> Node:
    """Give a node at rest that has events, a segment and a dead letter."""
    process = store_at(prepared_node.layout.data)
    process.start().insert(segment(0), token="0/0")
    process.stop()
    (prepared_node.layout.spool / "000000000001.seg").write_bytes(b"segment")
    (prepared_node.layout.dead_letter / "again").mkdir()
    (prepared_node.layout.dead_letter / "again" / "7.seg").write_bytes(b"letter")
    (prepared_node.layout.objects / "ab").mkdir()
    (prepared_node.layout.objects / "ab" / "abc.obj").write_bytes(b"object")
    (prepared_node.layout.objects / ".being-written").write_bytes(b"half an obj")
    (prepared_node.layout.releases / "r.tar").write_bytes(b"release")
    return prepared_node


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


APART = ("run/", "store/lock", "store/reserve", "state.sqlite", "client.toml", "objects/.being-written")


@pytest.mark.slow
def test_everything_is_restored_and_nothing_that_is_not_whole(at_rest: Node, tmp_path: Path) -> None:
    source, target, new = at_rest.layout.data, tmp_path / "backup", tmp_path / "new"
    make(at_rest, target)
    restore(target, new, progress=quiet)
    before, after = tree(source), tree(new)
    assert {name: kept[1] for name, kept in before.items() if not name.startswith(APART)} == {
        name: kept[1] for name, kept in after.items() if not name.startswith(APART)
    }
    assert after["state.sqlite"][0] == after["keys/ca.pem"][0] == 0o600
    assert str(new / "tls" / "ca.pem") in (new / "client.toml").read_text()
    assert all(path.stat().st_mode & 0o077 == 0 for path in [new, *new.rglob("*")] if path.is_dir())

    with pytest.raises(BackupError, match="not empty"):
        restore(target, new, progress=quiet)
    with pytest.raises(BackupError, match="not empty"):
        make(at_rest, target)
    with pytest.raises(BackupError, match="inside"):
        make(at_rest, source / "backup")
    listed = manifest.read(target).files
    chosen = [
        "keys/ca.pem",
        "state.sqlite",
        "spool/000000000001.seg",
        next(name for name in listed if "data.bin" in name),
    ]
    for name in chosen:
        path = target / name
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BackupError, match="is not what was backed up"):
            restore(target, tmp_path / "none", progress=quiet)
        path.unlink()
        with pytest.raises(BackupError, match=f"{path} is missing"):
            restore(target, tmp_path / "none", progress=quiet)
        path.write_bytes(data)
        assert not (tmp_path / "none").exists()
    (target / manifest.NAME).unlink()
    with pytest.raises(BackupError, match="no whole backup"):
        restore(target, tmp_path / "none", progress=quiet)


def test_a_backup_broken_off_leaves_nothing_and_a_killed_one_is_cleared(at_rest: Node, tmp_path: Path) -> None:
    def break_off(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(at_rest.layout.data, tmp_path / "backup", clock=now, progress=break_off)
    assert not (tmp_path / "backup").exists()
    assert not at_rest.layout.copying.exists()
    at_rest.layout.copying.mkdir()
    (at_rest.layout.copying / "left").touch()
    make(at_rest, tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "backup", tmp_path / "new", progress=break_off)
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_backed_up_is_said(prepared_node: Node, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no Central Node"):
        backup(tmp_path / "nowhere", tmp_path / "backup", clock=now, progress=quiet)
    (prepared_node.layout.keys / "linked.pem").symlink_to("/etc/hostname")
    with pytest.raises(BackupError, match="symbolic link"):
        make(prepared_node, tmp_path / "backup")
    (prepared_node.layout.keys / "linked.pem").unlink()
    prepared_node.layout.settings_file.write_text('state_url = "postgresql://db/vedette"\n')
    with pytest.raises(BackupError, match="state_url names postgresql"):
        make(prepared_node, tmp_path / "backup")
    prepared_node.layout.settings_file.write_text('bus_url = "tls://bus:4222"\nnode = 1\n')
    with pytest.raises(BackupError, match="shares the work with others"):
        make(prepared_node, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_sealed_segment_takes_the_place_of_its_open_copy(prepared_node: Node) -> None:
    spool, copying = prepared_node.layout.spool, prepared_node.layout.copying / "spool"
    for name in ("1.open", "1.seg", "2.open"):
        (spool / name).write_bytes(name.encode())
    with moment.taken(prepared_node.layout, prepared_node.state, None) as taken:
        assert sorted(path.name for path in copying.iterdir()) == ["1.seg", "2.open"]
        assert all(isinstance(piece, Piece) for piece in taken.pieces)
        (spool / "1.seg").unlink()
        assert (copying / "1.seg").read_bytes() == b"1.seg"
    assert not copying.exists()


def test_what_is_removed_after_the_moment_is_still_copied(prepared_node: Node) -> None:
    layout = prepared_node.layout
    (layout.objects / "ab").mkdir()
    (layout.objects / "ab" / "abc.obj").write_bytes(b"object")
    with moment.taken(layout, prepared_node.state, None):
        (layout.objects / "ab" / "abc.obj").unlink()
        assert [piece.name for piece in contents.copied(layout)] == ["objects/ab/abc.obj"]


def test_a_node_does_not_start_where_a_restore_did_not_end(tmp_path: Path) -> None:
    from vedette.central.app import Overrides, run

    (tmp_path / "restoring").touch()
    with pytest.raises(ConfigError, match="not wholly restored"):
        run(tmp_path, Overrides())
