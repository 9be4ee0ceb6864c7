"""The file systems of this host that can be watched as a whole, from /proc/self/mountinfo. Values in, values out."""

import re
from typing import Final, NamedTuple

LOCAL: Final = frozenset(
    "ext2 ext3 ext4 xfs btrfs bcachefs f2fs zfs jfs nilfs2 tmpfs ramfs overlay vfat exfat ntfs3 udf".split()
)
"""Types whose changes all pass through this kernel, and whose files can be asked for without waiting for a server."""
_WITHOUT_FILES: Final = frozenset(
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs "
    "proc pstore resctrl rpc_pipefs securityfs selinuxfs sysfs tracefs iso9660 squashfs erofs cramfs".split()
)
"""Types in which no program keeps files of its own."""
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """Where a file system can be reached. `root`: which folder of it is there; `/` is all of it."""

    device: bytes
    root: bytes
    point: bytes
    type: str


def parse(text: bytes) -> list[Mount]:
    """Read /proc/self/mountinfo; lines that are none are passed over."""
    found = []
    for line in text.splitlines():
        before, separator, after = line.partition(b" - ")
        fields, kind = before.split(b" "), after.split(b" ")[0]
        if separator and len(fields) >= 6 and kind:
            root, point = (_ESCAPED.sub(_byte, field) for field in fields[3:5])
            found.append(Mount(fields[2], root, point, kind.decode("ascii", "replace")))
    return found


def watchable(mounts: list[Mount]) -> list[Mount]:
    """Give one mount of each local file system, the one that shows most of it."""
    best: dict[bytes, Mount] = {}
    for mount in mounts:
        known = best.get(mount.device)
        if mount.type in LOCAL and (known is None or len(mount.root) < len(known.root)):
            best[mount.device] = mount
    return list(best.values())


def unwatched(mounts: list[Mount]) -> dict[str, str]:
    """Give what is not watched though it may hold files, by mount point: network and user-space file systems."""
    return {
        mount.point.decode("utf-8", "backslashreplace"): mount.type
        for mount in mounts
        if mount.type not in LOCAL and mount.type not in _WITHOUT_FILES
    }


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8) & 0xFF])
