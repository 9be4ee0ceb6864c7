"""A body that is too large for memory: it goes to disk as it comes, one at a time."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from typing import Annotated, BinaryIO, NamedTuple

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from vedette.central.api.problems import ProblemError
from vedette.central.api.work import work_of
from vedette.wire import limits

_HEADROOM = 512 << 20
"""Bytes of disk that an upload leaves to spool and store."""


class Upload(NamedTuple):
    """What came in, at its start again."""

    file: BinaryIO
    sha256: str
    size: int


async def receive(request: Request) -> AsyncIterator[Upload]:
    """Write the body of a request into the releases directory. Raises ProblemError."""
    parts = work_of(request).parts
    if not parts.uploading.acquire(blocking=False):
        raise ProblemError("busy", 503, "another upload is under way", retry_after=10)
    try:
        with parts.releases.upload() as file:
            digest = hashlib.sha256()
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.ARCHIVE_BYTES:
                    raise ProblemError("too-large", 413, f"an archive has at most {limits.ARCHIVE_BYTES:,} bytes")
                digest.update(chunk)
                if shutil.disk_usage(parts.releases.folder).free < _HEADROOM:
                    raise ProblemError("disk-full", 507, "the disk has too little room for an upload")
                await run_in_threadpool(file.write, chunk)
            file.seek(0)
            yield Upload(file, digest.hexdigest(), size)
    finally:
        parts.uploading.release()


InUpload = Annotated[Upload, Depends(receive)]
"""A route's parameter of this type is the request's body, on disk."""
