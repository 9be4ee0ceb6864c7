"""Loading the probes: what is refused is left out with its reason; nothing stays behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vedette.probes import loader
from vedette.probes.loader import OF_IO_URING, Opened, Probes, read_object
from vedette.probes.replacements import LSM_PROGRAMS, REPLACEMENTS
from vedette.probes.syscalls import PATH_CALLS, RULE_BYTES, RULE_SLOTS, TRACEPOINTS, rule_table
from vedette.runtime.errors import ProbeError

RINGS = {"control": 1 << 16, "bulk": 1 << 16}
MAPS = {
    "control", "bulk", "dropped", "excluded", "scratches", "peers", "allowances", "askers",
    "limits", "pace_of_all", "paces", "unreported", "left_out",
    "asked_paths", "asked_peers",
}  # fmt: skip


def test_objects_that_were_not_built_are_an_error_with_the_command() -> None:
    with pytest.raises(ProbeError, match=r"build_probes\.py"):
        read_object("no-such-object")


@pytest.mark.root
def test_bytes_that_are_no_object_are_refused() -> None:
    with pytest.raises(ProbeError, match="cannot be read"):
        Opened(b"not an object")


@pytest.mark.root
def test_every_program_is_attached_or_its_refusal_has_a_reason() -> None:
    probes = Probes(read_object(), rings=RINGS, exclude=[os.getpid()])
    try:
        assert {"process_exec", "process_exit", "process_fork"} <= set(probes.attached)
        assert all(probes.refused.values())
        assert sum(probes.dropped()) >= 0
        assert probes.recursion_misses() == 0
    finally:
        probes.close()


@pytest.mark.root
def test_a_refused_program_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Opened.load

    def load(opened: Opened, programs: list[str]) -> str:
        if "socket_connected" in programs:
            return "Operation not permitted"
        return real(opened, programs)

    monkeypatch.setattr(Opened, "load", load)
    probes = Probes(read_object(), rings=RINGS, exclude=[])
    try:
        assert probes.refused == {"socket_connected": "Operation not permitted"}
        assert "sys_exit_accept" in probes.attached
        assert "sys_exit_connect" not in probes.attached
    finally:
        probes.close()


@pytest.mark.root
def test_a_host_without_unified_control_groups_is_observed_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> int:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(loader, "control_groups", none)
    probes = Probes(read_object(), rings=RINGS, exclude=[])
    try:
        assert set(probes.refused) >= {"packet_left", "packet_came", "datagram4_sent", "datagram4_bound"}
        assert set(probes.refused.values()) == {"there are no unified control groups: No such device"}
        assert "sys_exit_bind" in probes.attached  # what a control group's program would have replaced
    finally:
        probes.close()


@pytest.mark.root
def test_without_process_probes_the_source_gives_way_to_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Opened.load
    monkeypatch.setattr(
        Opened, "load", lambda opened, names: "refused here" if "process_exec" in names else real(opened, names)
    )
    with pytest.raises(ProbeError, match="process_exec: refused here"):
        Probes(read_object(), rings=RINGS, exclude=[])


@pytest.mark.root
def test_closing_gives_every_descriptor_back() -> None:
    Probes(read_object(), rings=RINGS, exclude=[]).close()  # what libbpf keeps for good is open from here on
    before = len(list(Path("/proc/self/fd").iterdir()))
    Probes(read_object(), rings=RINGS, exclude=[]).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_every_program_in_the_object_has_a_place_to_attach_to() -> None:
    opened = Opened(read_object())
    try:
        own_section = {"process_exec", "process_fork", "process_exit", "files_left", "socket_state", "module_arrived"}
        own_section |= set(OF_IO_URING)
        assert set(opened.programs) == own_section | set(TRACEPOINTS) | opened.on_control_groups | {"line_read"}
        assert opened.on_functions == {"line_read"}
        assert {"packet_left", "datagram4_sent", "datagram4_bound"} <= opened.on_control_groups
        assert {name for name in opened.maps if not name.endswith(".rodata")} == MAPS
    finally:
        opened.close()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_rule_table_has_each_call_at_its_number(machine: str) -> None:
    table = rule_table(machine)
    assert len(table) == RULE_SLOTS * RULE_BYTES
    filled = {number for number in range(RULE_SLOTS) if table[number * RULE_BYTES]}
    numbers = {call.aarch64 if machine == "aarch64" else call.x86_64 for call, _ in PATH_CALLS.values()}
    assert filled == numbers - {None}


def test_the_object_folder_is_inside_the_package() -> None:
    assert loader.OBJECTS.parent.name == "probes"


def test_lsm_mode_is_tracepoint_mode_and_programs_that_replace_some_of_it() -> None:
    opened, other = Opened(read_object("lsm")), Opened(read_object())
    try:
        assert set(opened.programs) == set(other.programs) - {"request_done"} | LSM_PROGRAMS
        assert not set(other.programs) & LSM_PROGRAMS
        for replacement in REPLACEMENTS:
            known = set(other.programs).union(*TRACEPOINTS.values())
            assert known.issuperset(replacement.instead_of)
    finally:
        opened.close()
        other.close()


@pytest.mark.root
def test_a_kernel_that_refuses_lsm_programs_gets_tracepoint_mode_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loader, "lsm_refusal", lambda: "not today")
    probes = loader.start(rings=RINGS, exclude=[])
    try:
        assert (probes.mode, probes.refused) == ("tracepoint", {"lsm": "not today"})
    finally:
        probes.close()
    with pytest.raises(ProbeError, match="refuses LSM mode: not today"):
        loader.start(rings=RINGS, exclude=[], mode="lsm")
