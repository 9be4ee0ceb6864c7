"""Who of a mount namespace still runs."""

from __future__ import annotations

import os
from pathlib import Path

from vedette.agent.linux import witnesses
from vedette.agent.linux.witnesses import EACH, Witnesses


def test_the_first_ones_stay_until_they_end() -> None:
    there = dict.fromkeys(range(1, 10), 6)
    seen = Witnesses(lambda pid: there.get(pid, 0))
    for pid in range(1, 8):
        seen.see(6, pid)
    assert seen.of(6, parent=1) == tuple(range(1, EACH + 1))
    del there[2]
    assert seen.of(6, parent=1) == (1, 3, 4)
    seen.see(6, 9)
    assert seen.of(6, parent=1) == (1, 3, 4, 9)


def test_a_parent_is_a_witness_if_it_is_in_the_namespace() -> None:
    there = {1: 6, 2: 5, 3: 6}
    seen = Witnesses(lambda pid: there.get(pid, 0))
    assert seen.of(6, parent=2) == ()
    assert seen.of(6, parent=3) == (3,)


def test_a_process_that_went_elsewhere_or_whose_number_is_used_again_is_none() -> None:
    there = {1: 6}
    seen = Witnesses(lambda pid: there.get(pid, 0))
    seen.see(6, 1)
    there[1] = 7
    assert seen.of(6, parent=8) == ()


def test_namespaces_are_apart_and_bounded() -> None:
    seen = Witnesses(lambda pid: {1: 5, 2: 20}.get(pid, 0))
    seen.see(5, 1)
    for namespace in range(10, 10 + witnesses.MOST):
        seen.see(namespace, 2)
    assert seen.of(5, parent=0) == ()
    assert seen.of(20, parent=0) == (2,)


def test_the_kernel_tells_who_is_where() -> None:
    own = Path("/proc/self/ns/mnt").stat().st_ino
    assert Witnesses().of(own, parent=os.getpid()) == (os.getpid(),)
    assert Witnesses().of(own + 1, parent=os.getpid()) == ()
