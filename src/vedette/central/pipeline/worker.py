"""The loop over sealed segments: one thread prepares the next segment while another stores the previous one."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TypeVar

import msgspec

from vedette.central.detection.detector import Detected
from vedette.central.pipeline import dead_letter
from vedette.central.pipeline.dead_letter import Note, Only, key_of, notes_of
from vedette.central.pipeline.portions import portions
from vedette.central.pipeline.prepare import Prepared, dead_counts, prepare
from vedette.runtime.errors import StoreError
from vedette.store.columns import arrow_table, ipc_stream
from vedette.store.segment import Record, scan
from vedette.store.state.claims import Claim
from vedette.store.state.ledger import StreamCount
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.merge import Batch

POLL_SECONDS = 0.05
"""Between looks at the spool while there is nothing to do."""
FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
"""Seconds between tries while the store, the state or the disk does not answer."""
PREPARE_TRIES = 3
"""Of a segment that cannot be decoded and joined (out of memory may pass); then it is set aside."""
TRIES = 5
"""Of a segment that the store refuses for its content; then it is set aside."""

# ClickHouse numbers of what passes: no answer, time, busy, network, memory, disk, parts, cancelled, new password.
_PASSING = frozenset({0, 159, 160, 202, 209, 210, 241, 243, 252, 319, 394, 516, 999})

T = TypeVar("T")
log = logging.getLogger(__name__)


class Folders(msgspec.Struct, frozen=True):
    """Where segments come from, and where goes what cannot be stored."""

    spool: Path
    dead_letter: Path

    @property
    def again(self) -> Path:
        """Where dead letters are that are to be processed again."""
        return self.dead_letter / dead_letter.AGAIN


class Links(msgspec.Struct, frozen=True):
    """What the worker asks of the state and the store; each raises StoreError."""

    tenants: Callable[[], Mapping[str, str]]
    """Agent id -> tenant, of all agents."""
    insert: Callable[[bytes, str], None]
    """Store an Arrow stream under a token: the segment's number (below 0: a redrive) and the portion's."""
    detect: Callable[[Batch], Detected]
    """Look at events before they are stored; raises nothing."""
    settle: Callable[[int, tuple[StreamCount, ...], Detected], None]
    """Count a segment in the ledger and keep what was detected in it, both once."""
    update_tasks: Callable[[tuple[TaskUpdate, ...]], None]
    """Take what hosts reported of their tasks; again does no harm."""
    claim: Callable[[int, list[Record]], Claim] | None = None
    """Take the records of a segment that no other has; None where one ingest node has seen to that."""
    rest: Callable[[], None] = lambda: None
    """What is done while no segment waits, again and again; raises nothing."""


class Share(msgspec.Struct, frozen=True):
    """The segments whose number leaves `number` when divided by `of`."""

    number: int
    of: int

    def has(self, segment: Path) -> bool:
        """Whether a segment is of this share."""
        return int(segment.stem) % self.of == self.number


class _Ready(msgspec.Struct, frozen=True):
    """A portion of a segment to store; `poison` says why the segment is to be set aside."""

    path: Path
    portion: int
    last: bool
    data: bytes
    """Arrow stream; empty when there are no rows."""
    counts: tuple[StreamCount, ...]
    poison: str = ""
    updates: tuple[TaskUpdate, ...] = ()
    again: bool = False
    notes: tuple[Note, ...] = ()
    """What is not stored, should the store refuse it."""
    detected: Detected = Detected()

    @property
    def segment(self) -> int:
        return -int(self.path.stem) if self.again else int(self.path.stem)

    @property
    def letters(self) -> str:
        return f"{self.path.stem}-{self.portion:03d}"


class Worker:
    """Processes the sealed segments of one share."""

    def __init__(self, folders: Folders, links: Links, share: Share, stop: threading.Event) -> None:
        self._folders, self._links, self._share, self._stop = folders, links, share, stop
        self._queue: Queue[_Ready] = Queue(1)
        self._taken: set[Path] = set()
        self._counts: tuple[StreamCount, ...] = ()  # of the portions stored so far of the segment in work
        self._poison = ""
        self._detected = Detected()
        self._unstored: tuple[Note, ...] = ()
        self._storing = threading.Thread(target=self._store_all, name="storing")
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Work until `stop` is set: what has begun is finished, or stays in the spool to be done again."""
        self._storing.start()
        try:
            while not self._stop.is_set():
                for path in self.waiting():
                    for ready in self._prepared(path):
                        self._hand_over(ready)
                    if self._stop.is_set():
                        break
                else:
                    self._links.rest()
                    self._stop.wait(POLL_SECONDS)
        finally:
            self._stop.set()
            self._storing.join()
        if self._failure is not None:
            raise self._failure

    def waiting(self) -> list[Path]:
        """Sealed segments of this share that are not in work, oldest first; then what is to be done again."""
        present = sorted(self._folders.spool.glob("*.seg"))
        again = sorted(self._folders.again.glob("*.seg"))
        self._taken.intersection_update((*present, *again))
        return [path for path in (*present, *again) if self._share.has(path) and path not in self._taken]

    def _prepared(self, path: Path) -> Iterator[_Ready]:
        """Give the portions of a segment ready to be stored; ends early when told to stop."""
        self._taken.add(path)
        records, damage = _read(path)
        again, only = path.parent == self._folders.again, None
        if again:
            records, only = _unstored(path, records)
            damage = ""
        else:
            claimed = self._claimed(path, records)
            if claimed is None:
                return
            if claimed.overlaps:
                yield _overlapping(path, records, claimed)
            records = _mine(records, claimed)
        cut = list(portions(records))
        for number, portion in enumerate(cut):
            tenants = self._until_done(self._links.tenants)
            if tenants is None:
                return
            last = number == len(cut) - 1
            made = self._try_to_prepare(portion, tenants, only)
            if isinstance(made, str):
                notes = notes_of(portion, made, only or {})
                yield _Ready(path, number, last, b"", () if again else dead_counts(portion), made, (), again, notes)
                continue
            if made is None:
                return
            prepared, data, detected = made
            if prepared.letters and not self._until_done(self._keeping(path, number, prepared)):
                return
            counts = tuple(map(_revived, prepared.counts)) if again else prepared.counts
            notes = notes_of(portion, "", only or {})
            yield _Ready(path, number, last, data, counts, damage, prepared.updates, again, notes, detected)

    def _claimed(self, path: Path, records: list[Record]) -> Claim | None:
        """Say which records are this segment's; None when told to stop, or when it is stored already."""
        claim = self._links.claim
        if claim is None:
            return Claim()
        claimed = self._until_done(lambda: claim(int(path.stem), records))
        if claimed is not None and claimed.settled:
            path.unlink(missing_ok=True)
            return None
        return claimed

    def _try_to_prepare(
        self, records: list[Record], tenants: Mapping[str, str], only: Only | None
    ) -> tuple[Prepared, bytes, Detected] | str | None:
        """Give the rows, their Arrow stream and what was detected, or why not, or None when told to stop."""
        problem = ""
        for _ in range(PREPARE_TRIES):
            try:
                prepared = prepare(records, tenants, only)
                data = ipc_stream(arrow_table(prepared.batch)) if prepared.batch.rows else b""
                return prepared, data, self._links.detect(prepared.batch) if data else Detected()
            except Exception as error:  # the pipeline's supervisor: one segment must not stop the queue
                log.exception("a portion of a segment cannot be prepared")
                problem = f"cannot be prepared: {error!r}"
            if self._stop.wait(FIRST_DELAY):
                return None
        return problem

    def _keeping(self, path: Path, portion: int, prepared: Prepared) -> Callable[[], bool]:
        def work() -> bool:
            dead_letter.keep(self._folders.dead_letter, f"{path.stem}-{portion:03d}", prepared.letters)
            return True

        return work

    def _hand_over(self, ready: _Ready) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(ready, timeout=POLL_SECONDS)
            except Full:
                continue
            return

    def _store_all(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    ready = self._queue.get(timeout=POLL_SECONDS)
                except Empty:
                    continue
                self.store(ready)
        except BaseException as error:  # noqa: BLE001 - raised again by `run`, in the main thread
            self._failure = error
            self._stop.set()

    def store(self, ready: _Ready) -> None:
        """Insert a portion; after the last one settle and remove the segment. Each step may be done again."""
        refusal = self._inserted(ready) if ready.data else ""
        if refusal is None:
            return
        if ready.updates and not self._until_done(lambda: self._updated(ready)):
            return
        if refusal:  # the portion is kept whole with its segment: not a part of it twice
            self._until_done(lambda: self._discarded(ready))
            self._counts += () if ready.again else tuple(map(_all_dead, ready.counts))
            self._unstored += tuple(msgspec.structs.replace(note, reason=refusal) for note in ready.notes)
        else:
            self._counts += ready.counts
            self._unstored += tuple(note for note in ready.notes if note.reason)
        self._detected += ready.detected
        self._poison = self._poison or refusal or ready.poison
        if ready.last:
            self._until_done(lambda: self._settled(ready))
            self._counts, self._poison, self._unstored, self._detected = (), "", (), Detected()

    def _discarded(self, ready: _Ready) -> bool:
        dead_letter.discard(self._folders.dead_letter, ready.letters)
        return True

    def _inserted(self, ready: _Ready) -> str | None:
        """Give "" when stored, the refusal when the store will not have the content, None when told to stop."""
        refusal = ""
        for _ in range(TRIES):
            try:
                return "" if self._until_done(lambda: self._insert(ready)) else None
            except StoreError as error:
                refusal = str(error)
                log.warning("segment %s: %s", ready.path.name, error)
                if self._stop.wait(FIRST_DELAY):
                    return None
        return refusal

    def _insert(self, ready: _Ready) -> bool:
        self._links.insert(ready.data, f"{ready.segment}/{ready.portion}")
        return True

    def _updated(self, ready: _Ready) -> bool:
        self._links.update_tasks(ready.updates)
        return True

    def _settled(self, ready: _Ready) -> bool:
        self._links.settle(ready.segment, self._counts, self._detected)
        if self._poison:
            dead_letter.set_aside(self._folders.dead_letter, ready.path, self._poison, self._unstored)
        else:
            ready.path.unlink(missing_ok=True)
            if ready.again:
                ready.path.with_suffix(".json").unlink(missing_ok=True)
        return True

    def _until_done(self, work: Callable[[], T]) -> T | None:
        """Do `work` until it succeeds; None when told to stop before. Raises StoreError for what does not pass."""
        delay = FIRST_DELAY
        while True:
            try:
                return work()
            except (StoreError, OSError) as error:
                if getattr(error, "code", 0) not in _PASSING:
                    raise
                log.warning("will try again in %.1f s: %s", delay, error)
            if self._stop.wait(delay):
                return None
            delay = min(LONGEST_DELAY, delay * 2)


def _read(path: Path) -> tuple[list[Record], str]:
    """Give the whole records of a segment, and what is wrong with the rest."""
    data = path.read_bytes()
    records, end = scan(data)
    return records, "" if end == len(data) else f"damaged at byte {end} of {len(data)}; {len(records)} records stored"


def _unstored(path: Path, records: list[Record]) -> tuple[list[Record], Only]:
    """Give the records of a file in `again` of which something is not stored, and which types that is."""
    notes = dead_letter.read_notes(path)
    only = {key_of(note): note.types for note in notes.records} if notes else {}
    return [record for record in records if key_of(record) in only], only


def _mine(records: list[Record], claimed: Claim) -> list[Record]:
    """Give the records that are to be stored with this segment."""
    if not claimed.duplicates and not claimed.overlaps:
        return records
    others = {*claimed.duplicates, *(place for place, _ in claimed.overlaps)}
    return [record for place, record in enumerate(records) if place not in others]


def _overlapping(path: Path, records: list[Record], claimed: Claim) -> _Ready:
    """Set the segment aside for its batches that are partly stored already: their agents changed what they had sent."""
    counts = tuple(
        StreamCount(agent=one.agent, epoch=one.epoch, dead_letter=new, received=one.received)
        for one, new in ((records[place], new) for place, new in claimed.overlaps)
    )
    poison = f"{len(counts)} batches came before, by another ingest node, with other boundaries; they are not stored"
    return _Ready(path, 0, last=False, data=b"", counts=counts, poison=poison)


def _revived(count: StreamCount) -> StreamCount:
    """Count what is stored now as no dead letter any more; what is not, still is one."""
    return msgspec.structs.replace(count, dead_letter=-count.stored)


def _all_dead(count: StreamCount) -> StreamCount:
    return StreamCount(
        agent=count.agent,
        epoch=count.epoch,
        dead_letter=count.stored + count.dead_letter,
        received=count.received,
    )
