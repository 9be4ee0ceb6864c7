"""Where file systems of the kernel are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vedette.probes import mounts
from vedette.probes.mounts import control_groups, mounted

HYBRID = """
24 31 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw
36 24 0:30 /lxc/one /sys/fs/cgroup/part rw - cgroup2 cgroup rw
37 24 0:31 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate
38 24 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
broken
"""


def test_the_root_of_a_hierarchy_is_found_in_a_corner_of_a_hybrid_host() -> None:
    assert mounted("cgroup2", HYBRID) == Path("/sys/fs/cgroup/uni fied")
    assert mounted("tracefs", HYBRID) is None


@pytest.mark.root
@pytest.mark.parametrize("is_mounted", [True, False])
def test_control_groups_are_opened_with_and_without_a_mount(
    monkeypatch: pytest.MonkeyPatch, *, is_mounted: bool
) -> None:
    if not is_mounted:
        monkeypatch.setattr(mounts, "mounted", lambda *_: None)
    before = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    root = control_groups()
    try:
        assert "cgroup.controllers" in os.listdir(root)  # noqa: PTH208 - of a descriptor
    finally:
        os.close(root)
    assert Path("/proc/self/mountinfo").read_text(encoding="utf-8") == before
