"""What of tracepoint mode stays when the kernel takes some programs of LSM mode."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.probes.replacements import ADDED, REPLACEMENTS, select
from vedette.probes.syscalls import TRACEPOINTS

OWN = {"process_exec", "process_fork", "process_exit", "files_left", "socket_state"}
TRACEPOINT_MODE = OWN | set(TRACEPOINTS)


def test_an_object_without_lsm_programs_is_loaded_whole() -> None:
    selection = select(TRACEPOINT_MODE, {})
    assert (set(selection.programs), set(selection.replaced)) == (TRACEPOINT_MODE, set())


def test_ports_of_datagrams_are_seen_by_control_groups_where_they_can_be() -> None:
    usable = TRACEPOINT_MODE | {"datagram4_bound", "datagram6_bound"}
    assert set(select(usable, {}).programs) == usable - {"socket_bound"}
    assert "socket_bound" in select(usable, {"datagram6_bound": "refused"}).programs


def test_where_all_is_taken_nothing_is_seen_twice() -> None:
    selection = select(TRACEPOINT_MODE | ADDED, {})
    assert selection.programs.issuperset(ADDED)
    assert not selection.programs & {"process_exec", "file_opened", "file_closed", "socket_connected", "files_left"}
    assert "path_changed" in selection.programs  # chmod and chown stay with it


def test_half_a_replacement_replaces_nothing() -> None:
    selection = select(TRACEPOINT_MODE | ADDED, {"unlink_done": "inlined"})
    assert not selection.programs & {"unlink_asked", "rmdir_asked", "rmdir_done"}
    assert "sys_exit_unlink" not in selection.replaced
    assert "sys_exit_rename" in selection.replaced


@given(st.sets(st.sampled_from(sorted(ADDED))))
def test_whatever_is_refused_each_act_is_seen_once(refused: set[str]) -> None:
    selection = select(TRACEPOINT_MODE | ADDED, dict.fromkeys(refused, "refused"))
    assert not selection.programs & refused
    for replacement in REPLACEMENTS:
        taken = selection.programs.issuperset(replacement.programs)
        assert taken == selection.replaced.issuperset(replacement.instead_of)
        assert taken or not selection.programs & set(replacement.programs)
