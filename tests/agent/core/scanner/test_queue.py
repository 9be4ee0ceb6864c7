"""What waits to be scanned."""

from __future__ import annotations

from collections.abc import Callable

from vedette.agent.core.scanner.candidates import ON_EXEC, Candidate
from vedette.agent.core.scanner.queue import ScanQueue


def test_programs_go_before_files(make_candidate: Callable[..., Candidate]) -> None:
    queue = ScanQueue()
    file, program = make_candidate("file"), make_candidate("program", mode=ON_EXEC)
    assert [queue.put(one) for one in (file, program)] == [True, True]
    assert [queue.take(0), queue.take(0), queue.take(0)] == [program, file, None]


def test_each_sort_has_its_own_bound(make_candidate: Callable[..., Candidate]) -> None:
    queue = ScanQueue(capacity=2)
    assert [queue.put(make_candidate(str(number))) for number in range(3)] == [True, True, False]
    assert queue.put(make_candidate("program", mode=ON_EXEC))
    assert len(queue) == 3
