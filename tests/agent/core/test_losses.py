"""Counts of lost events over restarts of sources and agent."""

from vedette.agent.core.losses import Losses


def test_absolute_counts_of_a_source_are_added_once() -> None:
    losses = Losses({"file_change": 10})
    losses.observe("kernel", {"file_change": 3})
    losses.observe("kernel", {"file_change": 3})
    losses.observe("kernel", {"file_change": 5, "process_stop": 1})
    assert losses.totals() == {"file_change": 15, "process_stop": 1}


def test_a_source_that_began_anew_counts_on() -> None:
    losses = Losses()
    losses.observe("kernel", {"file_change": 7})
    losses.observe("kernel", {"file_change": 2})
    assert losses.totals() == {"file_change": 9}


def test_two_sources_add_up() -> None:
    losses = Losses()
    losses.observe("a", {"os_log": 1})
    losses.observe("b", {"os_log": 2})
    losses.add("os_log", 4)
    assert losses.totals() == {"os_log": 7}


def test_zero_is_not_told() -> None:
    losses = Losses()
    losses.observe("a", {"os_log": 0})
    assert losses.totals() == {}
