"""The chain of modes: the first that starts is in force, refusals are kept, a forced one is never replaced."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from vedette.agent.linux.sources import kernel
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.runtime.errors import ProbeError
from vedette.schema.events.base import Event
from vedette.schema.events.logs import TelemetryGap
from vedette.schema.policies import Settings


class FakeMode:
    """Refuses to start, or runs and breaks, as it is told."""

    def __init__(self, name: str, problem: str = "", breaks: str = "") -> None:
        self.refused: dict[str, str] = {}
        self.name, self.problem, self.breaks, self.closed = name, problem, breaks, False

    def start(self, _: Decoder, cleanup: ExitStack) -> None:
        cleanup.callback(self._close)
        if self.problem:
            raise ProbeError(self.problem)

    def _close(self) -> None:
        self.closed = True

    def observe(self, stop: threading.Event) -> None:
        if self.breaks:
            raise ProbeError(self.breaks)
        stop.wait(5)

    def count_left_out(self) -> None:
        pass

    def drops(self) -> dict[str, int]:
        return {}

    def status(self) -> dict[str, object]:
        return {}


def _source(monkeypatch: pytest.MonkeyPatch, *modes: FakeMode, only: str = "") -> KernelSource:
    monkeypatch.setattr(kernel, "MODES", {mode.name: lambda m=mode: m for mode in modes})
    monkeypatch.setattr(kernel, "_calm_collector", lambda: None)
    return KernelSource("0" * 32, Settings(), only=only)


def _stopped() -> threading.Event:
    stop = threading.Event()
    stop.set()
    return stop


def test_the_next_mode_is_taken_and_the_refusal_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing, running = FakeMode("best", "not here"), FakeMode("next")
    source = _source(monkeypatch, refusing, running)
    source.run(lambda _: None, _stopped())
    assert source.refused() == {"best": "not here"}
    assert (refusing.closed, running.closed) == (True, True)


def test_a_forced_mode_that_cannot_run_is_an_error_and_its_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    source = _source(monkeypatch, FakeMode("best", "not here"), FakeMode("next"), only="best")
    with pytest.raises(ProbeError, match="best is forced and cannot run: not here"):
        source.run(lambda _: None, _stopped())
    assert source.status()["mode"] == "stopped"
    assert source.status()["refused"] == {"best": "not here"}


def test_a_change_of_mode_leaves_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    best = FakeMode("best", breaks="lost")
    source = _source(monkeypatch, best, FakeMode("next"))
    with pytest.raises(ProbeError, match="lost"):
        source.run(events.append, _stopped())
    best.problem = "gone"
    source.run(events.append, _stopped())
    (gap,) = [event.gap for event in events if isinstance(event, TelemetryGap)]
    assert gap is not None
    assert gap.reason == "mode_change:best:next"
    assert source.refused() == {"best": "gone"}


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="no mode ftrace"):
        KernelSource("0" * 32, Settings(), only="ftrace")
