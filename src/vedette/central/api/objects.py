"""Storage: objects are put there, listed, scanned again, and leave only as an encrypted archive."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from stream_zip import ZIP_64, stream_zip

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.hosts import Limit
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, work_of
from vedette.schema.access import Right
from vedette.schema.objects import StoredObject
from vedette.store.objects import Written
from vedette.store.state import objects
from vedette.wire.limits import OBJECT_BYTES

routes = Routes("storage")

Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
PASSWORD = "infected"  # noqa: S105 - custom of the trade: it keeps scanners and fingers off, and is no secret


class ObjectDownload(Body):
    """The password of the archive."""

    password: Annotated[str, Field(min_length=1, max_length=100)] = PASSWORD


async def receive(request: Request) -> AsyncIterator[Written]:
    """Encrypt the body of a request as it comes. Raises ProblemError."""
    parts = work_of(request).parts
    if not parts.storing.acquire(blocking=False):
        raise ProblemError("busy", 503, "others put objects there already", retry_after=5)
    try:
        with parts.objects.writing() as writer:
            async for chunk in request.stream():
                if writer.size + len(chunk) > OBJECT_BYTES:
                    raise ProblemError("too-large", 413, f"an object has at most {OBJECT_BYTES:,} bytes")
                if parts.node.disk().free < OBJECT_BYTES // 2:
                    raise ProblemError("disk-full", 507, "the disk has too little room for objects")
                await run_in_threadpool(writer.write, chunk)
            yield await run_in_threadpool(writer.finish)
    finally:
        parts.storing.release()


InObject = Annotated[Written, Depends(receive)]
"""A route's parameter of this type is the request's body, encrypted on disk but not yet in its place."""


@routes.change(
    "POST", "/objects", needs=Right.STORAGE_MANAGE, action="object.put", answers=StoredObject, status=201,
    media="application/octet-stream",
)  # fmt: skip
def put_object(
    work: InWork,
    written: InObject,
    name: Annotated[str, Query(max_length=500)] = "",
    tenant: Annotated[str, Query(max_length=200)] = "",
) -> StoredObject:
    """Put an object into Storage: the body is its bytes. It is scanned soon, and again whenever rules change."""
    chosen = work.tenant(tenant)
    new = StoredObject(
        tenant=chosen, sha256=written.sha256, md5=written.md5, name=name, size=written.size, source="upload", host="",
        added_by=work.caller.name, added=work.now, status="", reason="", findings=[], rules="", scanned=None,
    )  # fmt: skip
    with work.deed(written.sha256, tenant=chosen, name=name[:200], size=str(written.size)) as db:
        # In one turn with the row: what removes an object of the same content waits until both are there.
        work.parts.objects.keep(written)
        objects.add(db, new)
        return objects.get(db, written.sha256, work.scope)


@routes.get("/objects", needs=Right.STORAGE_READ, answers=Page[StoredObject])
def object_list(
    work: InWork,
    *,
    status: Annotated[str, Query(max_length=20)] = "",
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[StoredObject]:
    """List objects, newest first; `status` is detected, clean or not_scanned."""
    before = from_cursor(cursor, int, str) if cursor else objects.NEWEST
    with work.read() as db:
        found = objects.page(db, work.scope, status=status, before=(before[0], before[1]), limit=limit + 1)
    more = to_cursor(found[limit - 1].added, found[limit - 1].sha256) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/objects/{sha256}", needs=Right.STORAGE_READ, answers=StoredObject)
def object_facts(work: InWork, sha256: Sha256) -> StoredObject:
    """Say what is known of an object."""
    with work.read() as db:
        return objects.get(db, sha256, work.scope)


@routes.change("POST", "/objects/{sha256}/download", needs=Right.STORAGE_MANAGE, action="object.get", answers=bytes)
def download_object(work: InWork, sha256: Sha256, body: ObjectDownload) -> StreamingResponse:
    """Give an object in a zip encrypted with AES-256; never as it is."""
    with work.deed(sha256) as db:
        found = objects.get(db, sha256, work.scope)
    at = datetime.fromtimestamp(found.added // 1_000_000, UTC)
    member = (sha256, at, 0o600, ZIP_64, work.parts.objects.pieces(sha256))
    archive: Iterator[bytes] = iter(stream_zip([member], password=body.password))
    return StreamingResponse(
        archive,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{sha256}.zip"'},
    )


@routes.change(
    "POST", "/objects/{sha256}/rescan", needs=Right.STORAGE_MANAGE, action="object.rescan", answers=StoredObject
)
def rescan_object(work: InWork, sha256: Sha256) -> StoredObject:
    """Have an object scanned again with the rules of now."""
    with work.deed(sha256) as db:
        objects.rescan(db, objects.get(db, sha256, work.scope))
        return objects.get(db, sha256, work.scope)


@routes.change("DELETE", "/objects/{sha256}", needs=Right.STORAGE_MANAGE, action="object.remove")
def remove_object(work: InWork, sha256: Sha256) -> None:
    """Remove an object from Storage."""
    with work.deed(sha256) as db:
        objects.remove(db, objects.get(db, sha256, work.scope, Right.STORAGE_MANAGE), work.parts.objects.remove)
