"""Limits on events an hour: what is over is counted, nothing else is touched."""

from vedette.agent.core.hourly import HourlyLimits
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileCreate, ModuleLoad
from vedette.schema.events.process import ProcessStart
from vedette.schema.policies import LOW_VALUE, Settings, refused_limits


class Steady:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_no_hour_has_more_than_allowed_and_all_is_told_or_counted() -> None:
    steady, passed = Steady(), list[Event]()
    limits = HourlyLimits({"file_create": 100}, steady)
    gate = limits.gate(passed.append)
    for _ in range(3600):
        steady.now += 1
        limits.refill()
        gate(FileCreate(time=1))
        gate(ModuleLoad(time=1))
    told = sum(isinstance(event, FileCreate) for event in passed)
    assert 90 <= told <= 100
    assert limits.throttled() == {"file_create/budget.events": 3600 - told}
    assert len(passed) == 3600 + told


def test_small_limits_hold_too() -> None:
    for limit in (0, 1, 2, 3):
        steady, passed = Steady(), list[Event]()
        limits = HourlyLimits({"module_load": limit}, steady)
        gate = limits.gate(passed.append)
        for _ in range(360):
            steady.now += 10
            limits.refill()
            gate(ModuleLoad(time=1))
        assert len(passed) in (limit, limit - 1) if limit else not passed


def test_a_protected_type_is_never_held_back_even_if_settings_ask() -> None:
    passed: list[Event] = []
    gate = HourlyLimits({"process_start": 0, "no_such_type": 0}).gate(passed.append)
    gate(ProcessStart(time=1))
    assert len(passed) == 1


def test_limits_can_be_changed_and_lifted() -> None:
    passed: list[Event] = []
    limits = HourlyLimits({}, Steady())
    gate = limits.gate(passed.append)
    gate(FileCreate(time=1))
    limits.set({"file_create": 0})
    gate(FileCreate(time=2))
    assert limits.report()["file_create"].limit == 0
    limits.set({})
    gate(FileCreate(time=3))
    assert [event.time for event in passed] == [1, 3]


def test_only_types_of_little_value_can_be_limited() -> None:
    assert set(LOW_VALUE) <= {tag(kind) for kind in EVENT_TYPES}
    for name in (tag(kind) for kind in EVENT_TYPES):
        refusal = refused_limits(Settings(budget_events_per_hour={name: 5}))
        assert (refusal == "") == (name in LOW_VALUE)
        assert refusal == "" or refusal.startswith(f"budget_events_per_hour: {name} cannot be limited; only ")
