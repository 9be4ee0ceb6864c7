"""File entities from what the kernel and the hashing threads tell. One shared object for each version of a file."""

import stat
from typing import Any

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.hashing import Content, Version
from vedette.probes.records import Inode, joined_path, text, walked_path
from vedette.schema.entities import ChangedFile, File, PreviousFile

KEPT = 8192
_TYPES = {
    stat.S_IFREG: "regular",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device character",
    stat.S_IFBLK: "device block",
    stat.S_IFSOCK: "socket",
    stat.S_IFDIR: "directory",
}
_RIGHTS = ((stat.S_ISUID, "setuid"), (stat.S_ISGID, "setgid"), (stat.S_ISVTX, "sticky"))


class Names:
    """Turns raw walks into names; folders recur, so they are kept."""

    def __init__(self) -> None:
        self._folders: dict[bytes, str] = {}

    def of_walk(self, walk: bytes, *, cut: bool = False) -> tuple[str, str]:
        """Give (folder, name) of a raw walk."""
        leaf, _, above = walk.partition(b"\0")
        if not above and not cut:
            return "/", text(leaf)
        folder = self._folders.get(above)
        if folder is None or cut:
            folder = text(walked_path(above, cut=cut))
            if not cut:
                self._keep(above, folder)
        return folder, text(leaf)

    def of_name(self, base: bytes, name: bytes) -> tuple[str, str]:
        """Give (folder, name) of a name seen from the folder with the raw walk `base`."""
        if b"/" not in name and name not in (b"", b".", b".."):
            folder = self._folders.get(base)
            if folder is None:
                folder = text(walked_path(base)) if base else "/"
                self._keep(base, folder)
            return folder, text(name)
        folder, _, leaf = text(joined_path(base, name)).rpartition("/")
        return folder or "/", leaf

    def _keep(self, above: bytes, folder: str) -> None:
        if len(self._folders) >= KEPT:
            self._folders.clear()
        self._folders[above] = folder


def full_path(folder: str, name: str) -> str:
    """Give folder and name in one."""
    return f"/{name}" if folder == "/" else f"{folder}/{name}"


class Files:
    """Builds File entities."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._shared: dict[tuple[bytes, Version], File] = {}
        self._modes: dict[int, str] = {}

    def shared(self, walk: bytes, version: Version) -> File | None:
        """Give the entity that was built for this version of a file under this name."""
        return self._shared.get((walk, version))

    def share(self, walk: bytes, version: Version, file: File) -> None:
        """Keep an entity for the next event about the same version under the same name."""
        if len(self._shared) >= KEPT:
            for old in list(self._shared)[: KEPT // 8]:
                del self._shared[old]
        self._shared[walk, version] = file

    def of_content(self, folder: str, name: str, content: Content, inode: Inode | None = None) -> File:
        """Build a file from what was found in it; `inode`: what the kernel said when the event happened."""
        facts = content if content.mode is not None or inode is None else _from_inode(content, inode)
        fields = self._fields(folder, name, facts)
        if inode is not None and facts.mode != inode.mode:  # it was changed before it was looked at
            fields["mode"] = self._mode(inode.mode)
            fields["inherited_privileges"] = _rights(inode.mode, facts.extra_rights)
        return File(**fields)

    def changed(self, folder: str, name: str, content: Content, *, operation: str, previous: str = "") -> ChangedFile:
        """Build a file that was changed; `previous` is its full name before."""
        fields = self._fields(folder, name, content)
        before = PreviousFile(path=previous) if previous else None
        return ChangedFile(**fields, operation=operation, previous=before)

    def _fields(self, folder: str, name: str, content: Content) -> dict[str, Any]:
        mode = content.mode
        known: dict[str, Any] = {
            "name": name,
            "directory": folder,
            "path": full_path(folder, name),
            "hash_status": content.status if content.status != "not_regular" else None,
        }
        if mode is None:
            return known
        accounts = self._accounts
        known |= {
            "size": content.size,
            "md5": content.md5,
            "sha256": content.sha256,
            "created": content.created,
            "modified": content.modified,
            "owner": None if content.uid is None else accounts.user_name(content.uid) or str(content.uid),
            "group": None if content.gid is None else accounts.group_name(content.gid) or str(content.gid),
            "mode": self._mode(mode),
            "inherited_privileges": _rights(mode, content.extra_rights),
            "type": _type(mode, content.kind),
        }
        return known

    def _mode(self, mode: int) -> str:
        bits = mode & 0o7777
        if bits not in self._modes:
            self._modes[bits] = f"{bits:04o}"
        return self._modes[bits]


def _from_inode(content: Content, inode: Inode) -> Content:
    """What the kernel said, for a file that could not be opened."""
    return Content(
        status=content.status,
        size=inode.size,
        created=inode.changed // 1000 or None,
        modified=inode.modified // 1000 or None,
        mode=inode.mode,
        uid=inode.uid,
        gid=inode.gid,
    )


def _rights(mode: int, extra: str) -> str:
    if not mode & 0o7000:
        return extra
    rights = [name for bit, name in _RIGHTS if mode & bit]
    return ",".join([*rights, extra] if extra else rights)


def _type(mode: int, kind: str | None) -> str:
    form = _TYPES.get(stat.S_IFMT(mode), "unknown")
    return f"{form}, {kind}" if kind else form
