"""What the tests of the agent's core share: a clock that stands, events, a Central Node that is a list."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.agent.core.buffer import Buffer
from vedette.runtime.clock import DAY
from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop


class StandingClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 20_000 * DAY

    def __call__(self) -> int:
        return self.now

    def move(self, micros: int) -> None:
        self.now += micros


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def events() -> Callable[[int], list[Event]]:
    """Give `events(count)`: as many events of one process."""
    process = Process(pid=7, command_line="x")
    return lambda count: [ProcessStop(time=1_000_000 + number, process=process) for number in range(count)]


@pytest.fixture
def open_buffer(tmp_path: Path, clock: StandingClock) -> Iterator[Callable[..., Buffer]]:
    """Give `open_buffer(**limits)`: the buffer at one path; all are let go at the end."""
    opened: list[Buffer] = []

    def make(**limits: int) -> Buffer:
        buffer = Buffer(tmp_path / "buffer.sqlite", clock, **limits)
        opened.append(buffer)
        return buffer

    yield make
    for buffer in opened:
        buffer._db.close()
