"""What waits to be scanned: programs before files, bounded."""

import threading
from collections import deque

from vedette.agent.core.scanner.candidates import ON_EXEC, Candidate

CAPACITY = 4096
"""Candidates of each sort that wait at most."""


class ScanQueue:
    """Filled by the threads of all sources, emptied by the scanner's."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._programs: deque[Candidate] = deque()
        self._files: deque[Candidate] = deque()
        self._arrived = threading.Event()

    def put(self, candidate: Candidate) -> bool:
        """Take a candidate; False when there is no room."""
        lane = self._programs if candidate.mode == ON_EXEC else self._files
        if len(lane) >= self._capacity:
            return False
        lane.append(candidate)
        if not self._arrived.is_set():
            self._arrived.set()
        return True

    def take(self, timeout: float) -> Candidate | None:
        """Give the next candidate, or None when none came for `timeout` seconds."""
        if not self._programs and not self._files:
            self._arrived.wait(timeout)
        self._arrived.clear()
        if self._programs:
            return self._programs.popleft()
        return self._files.popleft() if self._files else None

    def __len__(self) -> int:
        return len(self._programs) + len(self._files)
