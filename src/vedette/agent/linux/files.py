"""File entities from what the kernel and the hashing threads tell. One shared object for each version of a file."""

import stat
from functools import lru_cache

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.examine import Content
from vedette.agent.linux.hashing import Version
from vedette.probes.records import Inode, joined_path, text, walked_path
from vedette.schema.entities import ChangedFile, File, PreviousFile

KEPT = 8192
LONG = 256
"""Bytes of a folder as a program wrote it beyond which it is not kept: few are longer, and memory is bounded."""
_TYPES = {
    stat.S_IFREG: "regular",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device character",
    stat.S_IFBLK: "device block",
    stat.S_IFSOCK: "socket",
    stat.S_IFDIR: "directory",
}
_NO_NAMES = (b"", b".", b"..")
_RIGHTS = ((stat.S_ISUID, "setuid"), (stat.S_ISGID, "setgid"), (stat.S_ISVTX, "sticky"))


_IN_NO_FOLDER = b"memfd:"
"""How the kernel calls files in memory; only root could make such a name in the root folder."""


class Names:
    """Turns raw walks into names; folders recur, so they are kept."""

    def __init__(self) -> None:
        self._folders: dict[bytes, str] = {}
        self._joined: dict[tuple[bytes, bytes], str] = {}

    def forget(self) -> None:
        """Let go of all folders."""
        self._folders.clear()

    def of_folder(self, walk: bytes, *, cut: bool = False) -> str:
        """Give the path of a folder from its raw walk."""
        folder = self._folders.get(walk)
        if folder is None or cut:
            folder = text(walked_path(walk, cut=cut))
            if not cut:
                if len(self._folders) >= KEPT:
                    self._folders.clear()
                self._folders[walk] = folder
        return folder

    def of_walk(self, walk: bytes, *, cut: bool = False) -> tuple[str, str]:
        """Give (folder, name) of a raw walk."""
        leaf, _, above = walk.partition(b"\0")
        if not above and not cut:
            return "" if leaf.startswith(_IN_NO_FOLDER) else "/", text(leaf)
        return self.of_folder(above, cut=cut), text(leaf)

    def of_name(self, base: bytes, name: bytes) -> tuple[str, str]:
        """Give (folder, name) of a name seen from the folder with the raw walk `base`."""
        above, _, leaf = name.rpartition(b"/")
        if leaf in _NO_NAMES:
            folder, _, last = text(joined_path(base, name)).rpartition("/")
            return folder or "/", last
        if not above:
            return self.of_folder(base), text(leaf)
        key = (base, above)
        known = self._joined.get(key)
        if known is None:
            known = text(joined_path(base, above))
            if len(above) <= LONG:
                if len(self._joined) >= KEPT:
                    self._joined.clear()
                self._joined[key] = known
        return known, text(leaf)


def full_path(folder: str, name: str) -> str:
    """Give folder and name in one; what is in no folder ("") has only its name."""
    if not folder:
        return name
    return f"/{name}" if folder == "/" else f"{folder}/{name}"


class Files:
    """Builds File entities."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._shared: dict[tuple[bytes, Version], File] = {}
        self._modes: dict[int, str] = {}

    def forget(self) -> None:
        """Let go of half of what is kept, the oldest first."""
        for old in list(self._shared)[: len(self._shared) // 2]:
            del self._shared[old]

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
        mode = content.mode
        if inode is not None:
            if mode is None:
                content = of_inode(content, inode)
            mode = inode.mode  # it may have been changed before it was looked at
        path, status = full_path(folder, name), _status(content)
        if mode is None:
            return File(name=name, directory=folder, path=path, hash_status=status)
        return File(
            name=name,
            directory=folder,
            path=path,
            hash_status=status,
            size=content.size,
            md5=content.md5,
            sha256=content.sha256,
            created=content.created,
            modified=content.modified,
            owner=self._owner(content.uid),
            group=self._group(content.gid),
            mode=self._mode(mode),
            inherited_privileges=_rights(mode, content.extra_rights) if mode & 0o7000 else content.extra_rights,
            type=_type(mode, content.kind),
        )

    def changed(self, folder: str, name: str, content: Content, *, operation: str, previous: str = "") -> ChangedFile:
        """Build a file that was changed; `previous` is its full name before."""
        before = PreviousFile(path=previous) if previous else None
        path, status, mode = full_path(folder, name), _status(content), content.mode
        if mode is None:
            return ChangedFile(
                name=name, directory=folder, path=path, hash_status=status, operation=operation, previous=before
            )
        return ChangedFile(
            name=name,
            directory=folder,
            path=path,
            hash_status=status,
            operation=operation,
            previous=before,
            size=content.size,
            md5=content.md5,
            sha256=content.sha256,
            created=content.created,
            modified=content.modified,
            owner=self._owner(content.uid),
            group=self._group(content.gid),
            mode=self._mode(mode),
            inherited_privileges=_rights(mode, content.extra_rights) if mode & 0o7000 else content.extra_rights,
            type=_type(mode, content.kind),
        )

    def _owner(self, uid: int | None) -> str | None:
        return None if uid is None else self._accounts.user_name(uid) or str(uid)

    def _group(self, gid: int | None) -> str | None:
        return None if gid is None else self._accounts.group_name(gid) or str(gid)

    def _mode(self, mode: int) -> str:
        text_of_mode = self._modes.get(mode)
        if text_of_mode is None:
            text_of_mode = self._modes[mode] = f"{mode & 0o7777:04o}"
        return text_of_mode


def of_inode(content: Content, inode: Inode) -> Content:
    """Give what the kernel said, for a file that was not opened; with the reason that is in `content`."""
    return Content(
        status=content.status,
        size=inode.size,
        created=inode.changed // 1000 or None,
        modified=inode.modified // 1000 or None,
        mode=inode.mode,
        uid=inode.uid,
        gid=inode.gid,
    )


def _status(content: Content) -> str | None:
    return content.status if content.status != "not_regular" else None


def _rights(mode: int, extra: str) -> str:
    rights = [name for bit, name in _RIGHTS if mode & bit]
    return ",".join([*rights, extra] if extra else rights)


@lru_cache(maxsize=1024)
def _type(mode: int, kind: str | None) -> str:
    form = _TYPES.get(stat.S_IFMT(mode), "unknown")
    return f"{form}, {kind}" if kind else form
