"""Each content is scanned once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vedette.agent.core.scanner import known as known_module
from vedette.agent.core.scanner.candidates import Candidate
from vedette.agent.core.scanner.known import CLEAN, Known
from vedette.engines.objects import Finding, Reason, Status, Verdict, not_scanned

FOUND = Verdict(engine="yara", status=Status.DETECTED, findings=(Finding(record_id="r", category="c"),))
FINE = Verdict(engine="clamav", status=Status.CLEAN)


def test_a_copy_of_what_was_scanned_is_known(make_candidate: Callable[..., Candidate]) -> None:
    known = Known()
    known.learn(make_candidate("d1", path="/a"), (FINE,))
    assert known.of(make_candidate("d1", path="/b")) is CLEAN
    assert known.of(make_candidate("d2", path="/a")) is None


def test_what_engines_found_or_missed_is_kept_and_what_is_clean_is_not(
    make_candidate: Callable[..., Candidate],
) -> None:
    known, missed = Known(), not_scanned("clamav", Reason.TIMED_OUT)
    known.learn(make_candidate(), (FOUND, FINE, missed))
    seen = known.of(make_candidate())
    assert seen is not None
    assert seen.verdicts == (FOUND, missed)


def test_when_names_matter_a_copy_under_another_name_is_not_known(make_candidate: Callable[..., Candidate]) -> None:
    known = Known()
    known.forget(names_matter=True)
    known.learn(make_candidate(path="/a"), (FINE,))
    assert known.of(make_candidate(path="/b")) is None
    assert known.of(make_candidate(path="/a")) is CLEAN


def test_other_rules_make_everything_unknown(make_candidate: Callable[..., Candidate]) -> None:
    known = Known()
    known.learn(make_candidate(), (FINE,))
    known.forget(names_matter=False)
    assert known.of(make_candidate()) is None


def test_the_oldest_are_forgotten(make_candidate: Callable[..., Candidate], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_module, "KEPT", 16)
    known = Known()
    for number in range(40):
        known.learn(make_candidate(str(number)), (FINE,))
    assert len(known) <= 16
    assert known.of(make_candidate("39")) is CLEAN
    assert known.of(make_candidate("0")) is None
