"""Capabilities, containers, times, names of files, addresses: small tables."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux import platform
from vedette.agent.linux.addresses import addresses, parse
from vedette.agent.linux.capabilities import capability_names
from vedette.agent.linux.containers import Containers
from vedette.agent.linux.files import Names, full_path
from vedette.agent.linux.kernel_time import KernelTime, ticks

HOME = 4
"""Mount namespace of the agent."""


@pytest.mark.parametrize(
    ("mask", "names"),
    [(0, ""), (1, "cap_chown"), (1 << 21 | 1 << 13, "cap_net_raw,cap_sys_admin"), (1 << 63, "cap_63")],
)
def test_capabilities_have_their_names(mask: int, names: str) -> None:
    assert capability_names(mask) == names


def test_a_container_is_told_once_per_control_group() -> None:
    asked: list[int] = []

    def groups(pid: int) -> str:
        asked.append(pid)
        return f"0::/system.slice/docker-{'ab' * 32}.scope\n"

    containers = Containers(HOME, groups)
    assert [containers.of(9, 1, HOME), containers.of(9, 2, 6), containers.of(1, 3, HOME)] == ["ab" * 32] * 2 + [None]
    assert asked == [1]


def test_a_control_group_whose_process_is_gone_is_asked_for_again() -> None:
    answers = iter(["", f"0::/kubepods/{'cd' * 32}"])

    def groups(_: int) -> str:
        answer = next(answers)
        if not answer:
            raise FileNotFoundError
        return answer

    containers = Containers(HOME, groups)
    assert [containers.of(9, 1, HOME), containers.of(9, 2, HOME)] == [None, "cd" * 32]


def test_containers_in_the_root_group_are_told_apart_by_their_mounts() -> None:
    groups = {1: f"5:cpu:/docker/{'ab' * 32}\n0::/\n", 2: f"5:cpu:/docker/{'cd' * 32}\n0::/\n", 3: "0::/\n"}
    containers = Containers(HOME, lambda pid: groups[pid])
    assert [containers.of(1, 1, 6), containers.of(1, 2, 8), containers.of(1, 3, HOME)] == ["ab" * 32, "cd" * 32, None]
    assert [containers.of_process(1, 6), containers.of_process(1, HOME)] == ["ab" * 32, None]


def test_times_of_the_kernel_are_times_of_day() -> None:
    import time

    clock = KernelTime()
    now = clock.micros(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    assert abs(now - time.time_ns() // 1000) < 100_000
    assert clock.since_boot(clock.micros(5_000_000) * 1000) == pytest.approx(5_000_000, abs=1000)


def test_a_small_wobble_of_the_clocks_moves_no_start_time() -> None:
    clock = KernelTime()
    before = clock.micros(0)
    for _ in range(20):
        clock.refresh()
    assert clock.micros(0) == before


def test_ticks_are_hundredths_of_a_second() -> None:
    assert ticks(1_239_999_999) == 1_230_000_000


@pytest.mark.parametrize(
    ("walk", "folder", "name"),
    [
        (b"x\0tmp\0", "/tmp", "x"),
        (b"vmlinuz\0", "/", "vmlinuz"),
        (b"c\0b\0a\0", "/a/b", "c"),
        (b"\xff\0tmp\0", "/tmp", "\\xff"),
    ],
)
def test_a_walk_gives_folder_and_name(walk: bytes, folder: str, name: str) -> None:
    names = Names()
    assert names.of_walk(walk) == (folder, name)
    assert names.of_walk(walk) == (folder, name)
    assert full_path(folder, name).endswith(name)


def test_a_cut_walk_is_not_taken_for_a_whole_one() -> None:
    names = Names()
    assert names.of_walk(b"x\0b\0", cut=True) == (".../b", "x")
    assert names.of_walk(b"x\0b\0") == ("/b", "x")


@pytest.mark.parametrize(
    ("base", "name", "found"),
    [
        (b"tmp\0", b"x", ("/tmp", "x")),
        (b"", b"x", ("/", "x")),
        (b"tmp\0", b"a/../b/x", ("/tmp/b", "x")),
        (b"", b"/etc/passwd", ("/etc", "passwd")),
        (b"jail\0srv\0", b"/etc/passwd", ("/srv/jail/etc", "passwd")),
    ],
)
def test_a_name_in_a_folder(base: bytes, name: bytes, found: tuple[str, str]) -> None:
    assert Names().of_name(base, name) == found


def test_addresses_are_parsed_and_the_end_is_seen() -> None:
    body = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 2) + struct.pack("=HH4s", 8, 1, bytes([192, 0, 2, 9]))
    message = struct.pack("=IHHII", 16 + len(body), 20, 0, 1, 0) + body
    done = struct.pack("=IHHII", 16, 3, 0, 1, 0)
    assert parse(message + done) == ([("192.0.2.9", 0)], True)


@given(st.binary(max_size=200))
def test_any_netlink_bytes_are_read_without_an_error(data: bytes) -> None:
    parse(data)


def test_this_host_has_addresses_and_a_system() -> None:
    assert addresses()
    host, system = platform.facts()
    assert host.name == socket.getfqdn()
    assert (system.family, bool(system.version), bool(system.kernel)) == ("linux", True, True)
