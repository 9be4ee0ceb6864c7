"""Events and candidates for the scanner's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vedette.agent.core.scanner.candidates import ON_ACCESS, ON_EXEC, Candidate
from vedette.schema.entities import File, Process
from vedette.schema.events.files import FileCreate
from vedette.schema.events.process import ProcessStart

MakeCandidate = Callable[..., Candidate]


@pytest.fixture
def make_candidate() -> MakeCandidate:
    """Give a function that makes candidates: the digest tells contents apart."""

    def make(digest: str = "d1", *, path: str = "/tmp/x", mode: str = ON_ACCESS, entity: str = "e1") -> Candidate:
        file = File(name=path.rpartition("/")[2], path=path, size=10, sha256=digest, md5=f"m{digest}")
        process = Process(entity_id=entity, pid=7, command_line="make it", file=file if mode == ON_EXEC else None)
        event = (ProcessStart if mode == ON_EXEC else FileCreate)(time=1, process=process)
        return Candidate(event=event, mode=mode, file=file, process=process)

    return make
