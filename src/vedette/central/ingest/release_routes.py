"""What agents fetch of a release: its signed manifest, and its archive in pieces.

Any enrolled agent may: releases are no secret, and their digests stand in signed tasks only.
"""

import asyncio
import re
from concurrent.futures import Executor
from typing import Final

from vedette.central.ingest.refusal import Refused
from vedette.store.releases import ReleaseFiles
from vedette.wire import limits

RELEASES: Final = "/agent/v1/releases/"
AT_ONCE: Final = 64
"""Pieces that are read at the same time, 16 MiB; events go before upgrades."""
RETRY_SECONDS: Final = 15
_PATH: Final = re.compile(r"([0-9a-f]{64})(?:/(0|[1-9][0-9]{0,11}))?", re.ASCII)


class ReleaseRoutes:
    """Reads files in a thread of its own, so that a slow disk holds up no receipt."""

    def __init__(self, files: ReleaseFiles, reader: Executor) -> None:
        self._files, self._reader = files, reader
        self._running = 0

    async def answer(self, rest: str) -> tuple[bytes, bytes]:
        """Give body and media type for `<sha256>` or `<sha256>/<offset>`. Raises Refused."""
        match = _PATH.fullmatch(rest)
        if match is None:
            raise Refused("route_unknown")
        if self._running >= AT_ONCE:
            raise Refused("releases_busy", retry_after=RETRY_SECONDS)
        self._running += 1
        try:
            return await self._read(match[1], match[2])
        finally:
            self._running -= 1

    async def _read(self, sha256: str, offset: str | None) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        if offset is None:
            body, kind = await loop.run_in_executor(self._reader, self._files.manifest, sha256), b"application/json"
        else:
            at, most = int(offset), limits.PIECE_BYTES
            body = await loop.run_in_executor(self._reader, self._files.piece, sha256, at, most)
            kind = b"application/octet-stream"
        if not body:
            raise Refused("release_unknown", "there is no such release, or it is no longer than that")
        return body, kind
