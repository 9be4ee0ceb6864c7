"""Which file systems are watched."""

from __future__ import annotations

from vedette.agent.linux.mounts import parse, unwatched, watchable

MOUNTS = b"""22 27 0:21 / /proc rw shared:1 - proc proc rw
30 27 254:0 /part /a\\040b rw - ext4 /dev/vda rw
27 1 254:0 / / rw - ext4 /dev/vda rw
31 27 0:40 / /net rw - nfs4 server:/ rw
32 27 0:41 / /home/u/fuse rw - fuse.sshfs x rw
nonsense
"""


def test_each_local_file_system_is_watched_once_where_all_of_it_is() -> None:
    assert [(mount.device, mount.point) for mount in watchable(parse(MOUNTS))] == [(b"254:0", b"/")]


def test_escaped_names_are_read_and_remote_file_systems_are_told() -> None:
    mounts = parse(MOUNTS)
    assert mounts[1].point == b"/a b"
    assert unwatched(mounts) == {"/net": "nfs4", "/home/u/fuse": "fuse.sshfs"}
