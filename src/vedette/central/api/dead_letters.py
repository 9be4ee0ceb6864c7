"""Dead letters: what could not be stored, listed, exported, and sent through the pipeline again."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import Path as InPath
from fastapi import Query, Response
from pydantic import Field
from starlette.responses import StreamingResponse

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, Work
from vedette.central.pipeline.dead_letter import AGAIN, Note, Notes, key_of, read_notes, send_again
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.store.segment import scan
from vedette.store.state import agents, ledger
from vedette.store.state.ledger import Redrive

routes = Routes("dead-letters")

_NAME = r"^[0-9]{1,20}(-[0-9]{3,6})?$"


class ToRedrive(Body):
    """Which files to process again; none = all."""

    names: Annotated[list[Annotated[str, Field(pattern=_NAME)]], Field(default_factory=list, max_length=10_000)]


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """One file of dead letters. `events`: those of its `records` batches that are not stored.

    `types`: if not empty, only events of these types are not stored. `version`: of the Vedette that kept it.
    `again`: it is on its way through the pipeline. What has no records is damaged and kept as it is.
    """

    name: str
    reason: str
    records: int
    events: int
    types: tuple[str, ...]
    hosts: tuple[str, ...]
    bytes: int
    version: str
    again: bool


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """How much was put in the pipeline's way: files, and the events in them that were not stored."""

    files: int
    events: int


class KeptBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch as it was received: `body` is the wire's frame in base64."""

    name: str
    agent: str
    epoch: str
    first: int
    last: int
    received: int
    reason: str
    types: tuple[str, ...]
    body: str


@routes.get("/dead-letters", needs=Right.LEDGER_READ, answers=Page[DeadLetters])
def dead_letters(
    work: InWork,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[DeadLetters]:
    """List what could not be stored, and why."""
    after = from_cursor(cursor, str)[0] if cursor else ""
    folder, mine = work.parts.node.dead_letters, _tenants(work)
    found: list[DeadLetters] = []
    for path in sorted((*folder.glob("*.seg"), *(folder / AGAIN).glob("*.seg")), key=lambda path: path.stem):
        if path.stem > after and (one := _described(path, mine)) is not None:
            found.append(one)
        if len(found) > limit:
            break
    more = to_cursor(found[limit - 1].name) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/dead-letters/redrives", needs=Right.LEDGER_READ, answers=list[Redrive])
def redrives(work: InWork, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Redrive]:
    """List what was processed again and how many events that stored, newest first."""
    with work.read() as db:
        return ledger.redrives(db, work.scope, limit=limit)


@routes.change("POST", "/dead-letters/redrive", needs=Right.STORAGE_MANAGE, action="dead_letters.redrive", answers=Sent)
def redrive(work: InWork, body: ToRedrive) -> Sent:
    """Send dead letters through the pipeline again, once; what still cannot be stored is kept anew."""
    folder, mine = work.parts.node.dead_letters, _tenants(work)
    names = body.names or sorted(path.stem for path in folder.glob("*.seg"))
    files = events = 0
    with work.deed(names[0] if len(names) == 1 else f"{len(names)} files"):
        for place, name in enumerate(names):
            one = _described(folder / f"{name}.seg", mine)
            if one is not None and send_again(folder, name, work.now + place):
                files, events = files + 1, events + one.events
        if body.names and not files:
            raise NotFoundError("there are no such dead letters that can be processed again")
    return Sent(files=files, events=events)


@routes.change(
    "POST",
    "/dead-letters/{name}/export",
    needs=Right.EVENTS_READ,
    action="dead_letters.export",
    answers=list[KeptBatch],
)
def export_dead_letters(work: InWork, name: Annotated[str, InPath(pattern=_NAME)]) -> Response:
    """Give the batches of one file as JSON lines, whole, as they were received."""
    path, mine = work.parts.node.dead_letters / f"{name}.seg", _tenants(work)
    notes = read_notes(path)
    if notes is None or _described(path, mine) is None:
        raise NotFoundError(f"there are no dead letters {name}")
    with work.deed(name):
        pass
    return StreamingResponse(_lines(path, _mine(notes, mine)), media_type="application/x-ndjson")


def _tenants(work: Work) -> dict[str, bool]:
    """Agents, and whether each is of the caller's tenants."""
    with work.read() as db:
        return {one.id: one.tenant in work.scope.tenants for one in agents.identities(db)}


def _mine(notes: Notes, mine: dict[str, bool]) -> list[Note]:
    """Give the notes that the caller may see: of its tenants, and of agents that nobody knows."""
    return [note for note in notes.records if mine.get(note.agent, True)]


def _described(path: Path, mine: dict[str, bool]) -> DeadLetters | None:
    notes = read_notes(path)
    if notes is None or not path.exists():
        return None
    seen = _mine(notes, mine)
    if notes.records and not seen:
        return None
    return DeadLetters(
        name=path.stem,
        reason=notes.reason or seen[0].reason,
        records=len(seen),
        events=sum(note.events for note in seen),
        types=tuple(sorted({name for note in seen for name in note.types})),
        hosts=tuple(sorted({note.agent for note in seen})),
        bytes=path.stat().st_size,
        version=notes.version,
        again=path.parent.name == AGAIN,
    )


def _lines(path: Path, notes: Sequence[Note]) -> Iterator[bytes]:
    wanted = {key_of(note): note for note in notes}
    records, _ = scan(path.read_bytes())
    for record in records:
        if (note := wanted.get(key_of(record))) is not None:
            kept = KeptBatch(
                name=path.stem,
                agent=record.agent,
                epoch=record.epoch,
                first=record.first,
                last=record.last,
                received=record.received,
                reason=note.reason,
                types=note.types,
                body=base64.b64encode(record.body).decode(),
            )
            yield msgspec.json.encode(kept) + b"\n"
