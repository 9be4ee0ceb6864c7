"""Makes the images of processes: from an exec record, from a fork, from /proc."""

from typing import Any

from vedette.agent.linux.capabilities import capability_names
from vedette.agent.linux.examine import Content
from vedette.agent.linux.hashing import version_of
from vedette.agent.linux.inventory import Found
from vedette.agent.linux.processes import Image, Life
from vedette.agent.linux.sources.model import Model
from vedette.probes.records import (
    DIRECTORY_CUT,
    INTERPRETED,
    PATH_CUT,
    SECURE,
    STRINGS_CUT,
    Exec,
    Inode,
    text,
    walk_of,
    walked_path,
)
from vedette.schema.entities import Session

MOST_ARGUMENTS = 4096
"""What the contract allows in one list."""
SSH = "SSH_CONNECTION"
"""Variable whose first word is the address from which an SSH session came; the user can forge it."""


class Images:
    """Fills in what a process is."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def of_exec(self, record: Exec, life: Life) -> Image:
        """Give the image of a program that has just been started in `life`; sets the session of the life."""
        model = self._model
        env = model.environments.of(record.env)
        args = tuple(map(text, record.args[:MOST_ARGUMENTS]))
        flags = record.flags
        facts = {
            "entity_id": life.entity_id,
            "pid": life.pid,
            "start_time": model.clock.micros(life.started),
            "command_line": " ".join(args),
            "args": args,
            "args_truncated": bool(flags & STRINGS_CUT) or len(record.args) > MOST_ARGUMENTS,
            "env": env,
            "working_directory": model.names.of_folder(record.directory, cut=bool(flags & DIRECTORY_CUT)),
            "kind": _kind(record),
            "capabilities": capability_names(record.capabilities),
            "mount_namespace": record.mount_namespace,
            "pid_namespace": record.pid_namespace,
            "network_namespace": record.network_namespace,
            "cgroup_id": record.cgroup,
            "container_id": model.containers.of(record.cgroup, record.pid, record.mount_namespace),
        }
        life.session = self._session(record.session, record.ids[4], text(record.tty), env)
        version = version_of(record.inode)
        file = model.files.shared(record.path, version)
        if file is not None:
            facts["file"] = file
            return Image(facts, since=record.time, started_by=life.parent)
        image = Image(facts, since=record.time, started_by=life.parent, file_known=False)
        path, *others = model.places(record, walked_path(record.path))
        paths = (path, b"/proc/%d/exe" % record.pid, *others)
        self._find_file(image, record.path, record.inode, paths, cut=bool(record.flags & PATH_CUT))
        return image

    def of_fork(self, life: Life) -> Image:
        """Give the image of a process that runs the program of its parent."""
        facts = self._facts(life)
        facts["kind"] = "fork"
        return Image(facts, since=life.start, started_by=life.parent, forked=True)

    def of_found(self, found: Found, life: Life, since: int = 0) -> Image:
        """Give the image of a process that /proc or an audit record tells of; sets the session of the life.

        `since`: when the program was started, if not with the life; nanoseconds since boot.
        """
        env = None if found.kernel_thread or found.env is None else self._model.environments.of(found.env)
        life.session = self._session(found.session, found.ids[4], text(found.tty), env) or life.session
        args = None if found.args is None else tuple(map(text, found.args[:MOST_ARGUMENTS]))
        facts = self._facts(life)
        facts |= {
            "command_line": " ".join(args) if args else f"[{text(found.name)}]" if found.name else None,
            "args": args,
            "args_truncated": args is None or found.cut or len(found.args or ()) > MOST_ARGUMENTS,
            "env": env,
            "working_directory": text(found.directory) or None,
            "kind": _kind_found(found),
            "capabilities": None if found.capabilities is None else capability_names(found.capabilities),
            "mount_namespace": found.mount_namespace or None,
            "pid_namespace": found.pid_namespace or None,
            "network_namespace": found.network_namespace or None,
            "container_id": self._model.containers.of_process(found.pid, found.mount_namespace),
        }
        inode = found.inode
        image = Image(facts, since=since or life.start, started_by=life.parent, file_known=inode is None)
        if inode is not None:
            walk = walk_of(found.path)
            file = self._model.files.shared(walk, version_of(inode))
            if file is not None:
                image.set_file(file)
                return image
            self._find_file(image, walk, inode, (b"/proc/%d/exe" % found.pid, found.path))
        return image

    def _facts(self, life: Life) -> dict[str, Any]:
        return {
            "entity_id": life.entity_id,
            "pid": life.pid,
            "start_time": self._model.clock.micros(life.started),
        }

    def _session(self, number: int, login: int, tty: str, env: dict[str, str] | None) -> Session | None:
        remote = env.get(SSH, "").partition(" ")[0] if env else ""
        return self._model.accounts.session(number, login, tty, remote)

    def _find_file(
        self, image: Image, walk: bytes, inode: Inode, paths: tuple[bytes, ...], *, cut: bool = False
    ) -> None:
        model, version = self._model, version_of(inode)
        folder, name = model.names.of_walk(walk, cut=cut)

        def found(content: Content) -> None:
            file = model.files.of_content(folder, name, content, inode)
            if content.status is None or content.status == "too_large":
                model.files.share(walk, version, file)
            image.set_file(file)

        known = model.lookups.known(version)
        if known is not None:
            found(known)
        else:
            model.lookups.ask(paths, found, version=version, modified=inode.modified, program=True)


def _kind(record: Exec) -> str:
    if record.inode.links == 0 or record.path.startswith(b"memfd:"):
        return "memory"
    if record.flags & SECURE and record.inode.mode & 0o6000:
        return "setuid"
    return "interpreted" if record.flags & INTERPRETED else "exec"


def _kind_found(found: Found) -> str:
    if found.kernel_thread:
        return "kernel_thread"
    inode = found.inode
    if inode is not None and (inode.links == 0 or found.path.startswith(b"/memfd:")):
        return "memory"
    if inode is not None and inode.mode & 0o6000 and (found.ids[0], found.ids[1]) != (found.ids[2], found.ids[3]):
        return "setuid"
    return "interpreted" if found.interpreted else "exec"
