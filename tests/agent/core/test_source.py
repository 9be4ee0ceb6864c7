"""The loop around a source."""

import threading
from collections.abc import Callable

import pytest

from vedette.agent.core import source as module
from vedette.agent.core.source import Emit, SourceLoop
from vedette.runtime.errors import ProbeError


class Played:
    """A source whose runs a test writes: each is called with the stop event."""

    name = "played"

    def __init__(self, *runs: Callable[[threading.Event], None], reason: str = "") -> None:
        self.runs, self.reason, self.begun = list(runs), reason, 0

    def supported(self) -> str:
        return self.reason

    def run(self, emit: Emit, stop: threading.Event) -> None:
        del emit
        self.begun += 1
        self.runs.pop(0)(stop)

    def drops(self) -> dict[str, int]:
        return {}

    def status(self) -> dict[str, object]:
        return {}


def wait(stop: threading.Event) -> None:
    stop.wait()


def fail(stop: threading.Event) -> None:
    del stop
    raise OSError("ring broken")


def refuse(stop: threading.Event) -> None:
    del stop
    raise ProbeError("no BTF")


def end(stop: threading.Event) -> None:
    del stop


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


def run(source: Played, until: Callable[[SourceLoop], bool]) -> SourceLoop:
    stop = threading.Event()
    loop = SourceLoop(source, lambda _event: None, stop)
    loop.start()
    while not until(loop) and not loop.join(0.005):
        pass
    stop.set()
    assert loop.join(5)
    return loop


@pytest.mark.parametrize(
    ("broken", "problem"),
    [(fail, "OSError: ring broken"), (refuse, "no BTF"), (end, "ended without being asked to")],
)
def test_a_source_that_ends_is_started_again_and_counted(
    broken: Callable[[threading.Event], None], problem: str
) -> None:
    source = Played(broken, broken, wait)
    loop = run(source, lambda _loop: source.begun == 3)
    assert (source.begun, loop.state.failures, loop.state.last_failure) == (3, 2, problem)
    assert loop.state.state == "stopped"


def test_a_source_that_cannot_run_here_is_not_tried(caplog: pytest.LogCaptureFixture) -> None:
    source = Played(reason="needs root")
    loop = run(source, lambda _loop: False)
    assert (source.begun, loop.state.state, loop.state.last_failure) == (0, "not_supported", "needs root")
    del caplog


def test_a_source_that_stops_when_asked_did_not_fail() -> None:
    source = Played(wait)
    loop = run(source, lambda _loop: source.begun == 1)
    assert loop.state.failures == 0
