"""Tables of indicators: what was added is found and nothing else; damage is seen; a replacement is whole."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.engines.ioc.build import Builder
from vedette.engines.ioc.keys import KEY, KINDS, Keys
from vedette.engines.ioc.table import Source, Table, TableError, as_words
from vedette.engines.ioc.table import written as whole_file
from vedette.query.ioc.indicators import Indicator, Kind, indicator


def written(path: Path, *lists: list[Indicator]) -> Table:
    builder = Builder()
    for number, added in enumerate(lists):
        builder.add_source(Source(f"list-{number}", f"List {number}"))
        for one in added:
            builder.add(one)
    builder.write(path)
    return Table(path)


def made(kind: Kind, *texts: str) -> list[Indicator]:
    found = [indicator(kind, text) for text in texts]
    assert all(found)
    return [one for one in found if one is not None]


def met(table: Table, column: str, value: str) -> set[int]:
    """Lists that a value of a column meets."""
    lookups = Keys(table.header.secret).lookups(KINDS[column], table.header.lengths, table.header.labels)
    return {source for _row, source in table.find(as_words(b"".join(lookups(value))))}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return written(
        tmp_path / "t",
        made(Kind.DOMAIN, "evil.example", "bücher.example")
        + made(Kind.HOST, "only.example")
        + made(Kind.ADDRESS, "10.0.0.1", "2001:db8::1")
        + made(Kind.NETWORK, "192.168.0.0/16", "2001:db8:1::/48")
        + made(Kind.URL, "http://evil.example/x")
        + made(Kind.MD5, "A" * 32)
        + made(Kind.SHA256, "b" * 64)
        + made(Kind.FILE_NAME, "Evil.exe", "ПРИВЕТ.exe", "k.exe"),
        made(Kind.MD5, "a" * 32),
    )


@pytest.mark.parametrize(
    ("column", "value", "lists"),
    [
        ("dns.query", "EVIL.example.", {0}),
        ("dns.query", "a.b.evil.example", {0}),
        ("dns.query", "notevil.example", set()),
        ("dns.query", "example", set()),
        ("dns.query", "x.BÜCHER.example", {0}),
        ("dns.query", "xn--bcher-kva.example", {0}),
        ("dns.query", "only.example", {0}),
        ("dns.query", "a.only.example", set()),
        ("dns.query", "a." * 200 + "evil.example", set()),
        ("dns.query", "", set()),
        ("socket.remote_ip", "::ffff:10.0.0.1", {0}),
        ("socket.remote_ip", "2001:0DB8:0::1", {0}),
        ("socket.remote_ip", "192.168.3.4", {0}),
        ("socket.remote_ip", "192.169.3.4", set()),
        ("socket.remote_ip", "2001:db8:1:2::3", {0}),
        ("socket.remote_ip", "no address", set()),
        ("dns.answers", "10.0.0.1", {0}),
        ("process.command_line", "curl 'HTTP://Evil.example:80/x/#top'", {0}),
        ("process.command_line", "curl http://evil.example/xy", set()),
        ("file.md5", "a" * 32, {0, 1}),
        ("file.md5", "a" * 31 + "g", set()),
        ("file.md5", "b" * 32, set()),
        ("file.sha256", "b" * 64, {0}),
        ("file.name", "EVIL.EXE", {0}),
        ("file.name", "привет.EXE", {0}),
        ("file.name", "\u212a.exe", set()),
        ("file.name", "K.exe", {0}),
    ],
)
def test_values_meet_what_was_added(table: Table, column: str, value: str, lists: set[int]) -> None:
    assert met(table, column, value) == lists


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=3),
    st.lists(st.integers(0, 50), max_size=20),
)
def test_a_table_is_a_set_for_each_list(tmp_path: Path, lists: list[list[int]], asked: list[int]) -> None:
    hosts = [made(Kind.HOST, *(f"h{number}.example" for number in one)) for one in lists]
    table = written(tmp_path / "t", *hosts)
    for number in asked:
        expected = {at for at, one in enumerate(lists) if number in one}
        assert met(table, "dns.query", f"H{number}.example") == expected


def test_many_digests_are_found_and_no_others(tmp_path: Path) -> None:
    draw = random.Random(3)
    inside = [draw.randbytes(32).hex() for _ in range(5_000)]
    outside = [draw.randbytes(32).hex() for _ in range(5_000)]
    table = written(tmp_path / "t", made(Kind.SHA256, *inside))
    lookups = Keys(table.header.secret).lookups((Kind.SHA256,), (), 0)
    keys = as_words(b"".join(key for value in inside + outside for key in lookups(value)))
    assert sorted(row for row, _source in table.find(keys)) == list(range(5_000))


@given(st.binary(max_size=300), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_seen_and_never_crashes(tmp_path: Path, noise: bytes, data: st.DataObject) -> None:
    path = tmp_path / "t"
    written(path, made(Kind.MD5, "a" * 32))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + noise + whole[at + len(noise) :]
    for damaged in (noise, whole[:at], whole + noise, changed):
        path.write_bytes(damaged)
        if damaged != whole:
            with pytest.raises(TableError):
                Table(path)


@pytest.mark.parametrize("change", ["order", "source"])
def test_a_forged_table_with_a_right_digest_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "t"
    table = written(path, made(Kind.MD5, "a" * 32, "b" * 32))
    sizes = table.header.sizes()
    body = bytearray(path.read_bytes()[-sum(sizes) :])
    if change == "order":
        high = body[sizes[0] : sizes[0] + 16]
        body[sizes[0] : sizes[0] + 16] = high[8:] + high[:8]
    else:
        body[-4:] = b"\xff\xff\xff\xff"
    path.write_bytes(b"".join(whole_file(table.header, [memoryview(body)])))
    with pytest.raises(TableError, match="damaged"):
        Table(path)


def test_a_replaced_table_does_not_change_one_that_is_open(tmp_path: Path) -> None:
    path = tmp_path / "t"
    old = written(path, made(Kind.MD5, "a" * 32))
    new = written(path, made(Kind.MD5, "b" * 32))
    assert met(old, "file.md5", "a" * 32) == {0}
    assert met(old, "file.md5", "b" * 32) == set()
    assert met(new, "file.md5", "b" * 32) == {0}


def test_writing_that_fails_leaves_the_old_table_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "t"
    written(path, made(Kind.MD5, "a" * 32))
    before = path.read_bytes()
    (tmp_path / "dir").mkdir()
    builder = Builder()
    with pytest.raises(OSError, match="dir"):
        builder.write(tmp_path / "dir")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["dir", "t"]


def test_an_empty_table_finds_nothing(tmp_path: Path) -> None:
    table = written(tmp_path / "t", [])
    assert not list(table.find(as_words(bytes(KEY))))
    assert not list(table.find(np.zeros((0, 2), np.uint64)))
