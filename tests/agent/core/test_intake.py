"""The intake: from any thread to the buffer, and nothing lost unless it is counted."""

import threading
from collections.abc import Callable

from vedette.agent.core.intake import Intake
from vedette.agent.core.losses import Losses
from vedette.runtime.errors import SpoolFull
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop

Make = Callable[[int], list[Event]]


class Keeper:
    """A buffer that can be full."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.full = False

    def __call__(self, events: list[Event]) -> None:
        if self.full:
            raise SpoolFull("no space")
        self.batches.append(list(events))


def test_events_are_handed_on_in_order_in_batches(events: Make) -> None:
    keeper = Keeper()
    intake = Intake(keeper, Losses(), batch_events=100)
    made = events(150)
    for event in made:
        intake.emit(event)
    assert intake.flush()
    assert [len(batch) for batch in keeper.batches] == [100, 50]
    assert [event for batch in keeper.batches for event in batch] == made


def test_a_flood_goes_in_larger_batches(events: Make) -> None:
    keeper = Keeper()
    intake = Intake(keeper, Losses(), batch_events=100)
    for event in events(12_000):
        intake.emit(event)
    intake.flush()
    assert [len(batch) for batch in keeper.batches] == [5000, 5000, 2000]


def test_a_buffer_that_cannot_write_loses_nothing_and_repeats_nothing(events: Make) -> None:
    keeper = Keeper()
    intake = Intake(keeper, Losses(), batch_events=10)
    made = events(30)
    for event in made[:20]:
        intake.emit(event)
    keeper.full = True
    assert not intake.flush()
    assert not intake.flush()
    assert intake.waiting() == 20
    for event in made[20:]:
        intake.emit(event)
    keeper.full = False
    assert intake.flush()
    assert [event for batch in keeper.batches for event in batch] == made
    assert intake.waiting() == 0


def test_beyond_its_capacity_events_are_counted_by_type(events: Make) -> None:
    losses = Losses()
    intake = Intake(Keeper(), losses, capacity=10)
    for event in events(13):
        intake.emit(event)
    assert losses.totals() == {"process_stop": 3}
    assert intake.waiting() == 10


def test_a_full_batch_goes_before_the_interval_is_over(events: Make) -> None:
    keeper, stop = Keeper(), threading.Event()
    intake = Intake(keeper, Losses(), interval=600, batch_events=10)
    thread = threading.Thread(target=intake.loop, args=(stop,))
    thread.start()
    for event in events(10):
        intake.emit(event)
    while not keeper.batches:
        thread.join(0.01)
    stop.set()
    intake.wake()
    thread.join(5)
    assert not thread.is_alive()
    assert sum(map(len, keeper.batches)) == 10


def test_several_threads_lose_nothing() -> None:
    keeper, stop = Keeper(), threading.Event()
    intake = Intake(keeper, Losses(), interval=0.01, batch_events=50)
    loop = threading.Thread(target=intake.loop, args=(stop,))
    loop.start()

    def emit(start: int) -> None:
        for number in range(start, start + 2000):
            intake.emit(ProcessStop(time=number))

    threads = [threading.Thread(target=emit, args=(start,)) for start in (0, 10_000, 20_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    intake.wake()
    loop.join(5)
    intake.flush()
    times = [event.time for batch in keeper.batches for event in batch]
    assert sorted(times) == [start + number for start in (0, 10_000, 20_000) for number in range(2000)]
