"""What earlier records told of processes and files, so that later ones can say who acted; bounded.

Windows tells a process's hashes, command line and parent once, at its start. Its stop, its files, its connections
carry a PID or Sysmon's GUID only.
"""

from itertools import islice
from typing import Final, TypeVar

from vedette.normalise.windows.texts import split
from vedette.schema.entities import File, FileIdentity, Parent, Process, Session, User
from vedette.schema.fields import Micros

PROCESSES: Final = 65_536
FILES: Final = 65_536
CHARACTERS: Final = 8 << 20
"""In the entries of one memory: a forged log must not fill the host's by long texts."""
K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """A dictionary that forgets its oldest entries beyond a number of them, or of characters in them."""

    def __init__(self, limit: int, characters: int = CHARACTERS) -> None:
        super().__init__()
        self._limit, self._most = limit, characters
        self._sizes: dict[K, int] = {}
        self._total = 0

    def put(self, key: K, value: V, *texts: str | None) -> V:
        """Keep `value` as the newest; `texts` are the long ones in it, beside those of the key."""
        if key in self:
            self.forget(key)
        size = 0
        for text in (*key, *texts) if isinstance(key, tuple) else (key, *texts):
            if type(text) is str:
                size += len(text)
        self._sizes[key] = size
        self._total += size
        self[key] = value
        if len(self) > self._limit or self._total > self._most:
            for oldest in list(islice(self, max(1, len(self) // 8))):
                self.forget(oldest)
        return value

    def forget(self, key: K) -> None:
        """Leave out one entry, if it is there."""
        self.pop(key, None)
        self._total -= self._sizes.pop(key, 0)


class Started(tuple[Process, "User | None"]):
    """A process as its start told it, and its account."""

    __slots__ = ()


class Memory:
    """One of each reading: records of several hosts may be mixed, so everything is kept by host."""

    def __init__(self) -> None:
        self._by_id: Recent[str, Started] = Recent(PROCESSES, 4 * CHARACTERS)
        self._by_pid: Recent[tuple[str | None, int], Started] = Recent(PROCESSES, 4 * CHARACTERS)
        self._by_path: Recent[tuple[str | None, str], str | None] = Recent(PROCESSES)
        self._seen: Recent[tuple[str | None, str | None, int | None, str | None], Process] = Recent(PROCESSES)
        self._digests: Recent[tuple[str | None, str], tuple[str | None, str | None]] = Recent(FILES)
        self.files: Recent[object, File] = Recent(FILES)
        """Files by the texts that told of them: one object for all events that mean the same."""
        self.identities: Recent[object, FileIdentity] = Recent(FILES)
        self.users: Recent[object, User] = Recent(FILES)
        self.releases: Recent[tuple[str | None, str], Micros] = Recent(1024)
        """(host, version of Defender's databases) -> their release."""
        self.sessions: Recent[tuple[str | None, str | None], Session] = Recent(4096)
        """(host, number) -> terminal session as last told."""

    def start(self, host: str | None, process: Process, user: User | None) -> None:
        """Remember a process that started."""
        started = Started((process, user))
        file, parent = process.file, process.parent
        texts = (
            process.command_line,
            process.working_directory,
            file.path if file else None,
            parent.command_line if parent else None,
        )
        if process.entity_id:
            self._by_id.put(process.entity_id, started, *texts)
        if process.pid is not None:
            self._by_pid.put((host, process.pid), started, *texts)
        if file is not None and file.path:
            key = (host, file.path.lower())
            known = self._by_path.get(key, process.entity_id)
            self._by_path.put(key, process.entity_id if known == process.entity_id else None)

    def stop(self, host: str | None, process: Process) -> None:
        """Forget the PID of a process that ended: the next one with it is another."""
        if process.pid is not None:
            self._by_pid.forget((host, process.pid))

    def started(self, host: str | None, entity_id: str | None, pid: int | None, path: str | None) -> Started | None:
        """Give the process as its start told it: by id, else by PID when the name of its program fits."""
        if entity_id is not None:
            return self._by_id.get(entity_id)
        found = self._by_pid.get((host, pid)) if pid is not None else None
        if found is None or path is None:
            return found
        file = found[0].file
        # The audit log writes \device\harddiskvolume2\..., Sysmon C:\...: the names are equal.
        same = file is not None and file.path is not None and split(file.path)[1].lower() == split(path)[1].lower()
        return found if same else None

    def acting(self, host: str | None, entity_id: str | None, pid: int | None, path: str | None) -> Process | None:
        """Give the process that acts, with all that is known of it; None when the record names none."""
        started = self.started(host, entity_id, pid, path)
        if started is not None:
            return started[0]
        if entity_id is None and pid is None and path is None:
            return None
        key = (host, entity_id, pid, path)
        seen = self._seen.get(key)
        if seen is None:
            file = self.file(host, path) if path is not None else None
            seen = self._seen.put(key, Process(entity_id=entity_id, pid=pid, file=file))
        return seen

    def only_one_of(self, host: str | None, path: str | None) -> Process | None:
        """Give the only process that started from a program; None when there were several or none."""
        entity_id = self._by_path.get((host, path.lower())) if path else None
        started = self._by_id.get(entity_id) if entity_id else None
        return None if started is None else started[0]

    def file(self, host: str | None, path: str) -> File:
        """Give a file by its path, with the digests that a record told of it."""
        md5, sha256 = self.digests(host, path)
        key = (path, md5, sha256)
        file = self.files.get(key)
        if file is None:
            directory, name = split(path)
            file = self.files.put(key, File(name=name, directory=directory, path=path, md5=md5, sha256=sha256))
        return file

    def identity(self, host: str | None, path: str | None) -> FileIdentity | None:
        """Give what tells the file of a parent or target process."""
        if path is None:
            return None
        md5, sha256 = self.digests(host, path)
        key = (path, md5, sha256)
        file = self.identities.get(key)
        if file is None:
            directory, name = split(path)
            file = FileIdentity(name=name, directory=directory, path=path, md5=md5, sha256=sha256)
            self.identities.put(key, file)
        return file

    def parent(
        self, host: str | None, entity_id: str | None, pid: int | None, *, path: str | None, command_line: str | None
    ) -> Parent | None:
        """Give the parent, completed by what its own start told."""
        started = self.started(host, entity_id, pid, path)
        if started is not None:
            process = started[0]
            path = path or (process.file.path if process.file else None)
            entity_id, pid = process.entity_id, process.pid
            command_line = command_line or process.command_line
        if entity_id is None and pid is None and path is None:
            return None
        return Parent(entity_id=entity_id, pid=pid, file=self.identity(host, path), command_line=command_line)

    def learn(self, host: str | None, path: str | None, md5: str | None, sha256: str | None) -> None:
        """Remember the digests of a file."""
        if path and (md5 or sha256):
            self._digests.put((host, path.lower()), (md5, sha256))

    def digests(self, host: str | None, path: str) -> tuple[str | None, str | None]:
        """Give MD5 and SHA-256 of a file as last told."""
        return self._digests.get((host, path.lower()), (None, None))

    def user(self, domain: str | None, name: str | None, sid: str | None = None) -> User | None:
        """Give an account; None when nothing is known of it."""
        if name is None and sid is None:
            return None
        key = (domain, name, sid)
        return self.users.get(key) or self.users.put(key, User(name=name, domain=domain, id=sid))
