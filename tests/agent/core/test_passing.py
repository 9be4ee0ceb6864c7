"""How much time has passed: never more than can be proven."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.core.boot import this_boot
from vedette.agent.core.passing import CLAIMS, Boot, Claim, Passing, confirm, cutoff, look
from vedette.runtime.clock import DAY, HOUR, MINUTE, SECOND

START = 20_000 * DAY


class Host:
    """A host with a clock, boots, and what it knows of time; `true` is the time of the world."""

    def __init__(self) -> None:
        self.true = self.wall = START
        self.boot, self.up = 1, HOUR
        self.passing = Passing(self.wall, self.wall)
        self.look()

    def look(self) -> Passing:
        self.passing = look(self.passing, self.wall, Boot(str(self.boot), self.up))
        return self.passing

    def run(self, micros: int) -> None:
        self.true += micros
        self.wall += micros
        self.up += micros
        self.look()

    def reboot(self, off: int, *, claimed: int | None = None) -> None:
        """Be off for `off`; the clock says `claimed` when that is another time."""
        self.true += off
        self.wall += off if claimed is None else claimed
        self.boot, self.up = self.boot + 1, 0
        self.look()

    def contact(self) -> None:
        self.look()
        self.passing = confirm(self.passing, self.true)

    def is_old(self, kept: int, span: int = 21 * DAY) -> bool:
        return kept < cutoff(self.look(), span)


@pytest.mark.parametrize("jump", [40 * DAY, -40 * DAY, 365 * DAY])
def test_a_clock_that_jumps_makes_nothing_older(jump: int) -> None:
    host = Host()
    kept = host.look().at
    host.wall += jump
    assert host.look().at == kept
    host.run(21 * DAY)
    assert not host.is_old(kept)
    host.run(SECOND)
    assert host.is_old(kept)


def test_ahead_and_back_changes_nothing() -> None:
    host = Host()
    host.wall += 60 * DAY
    host.look()
    host.run(HOUR)
    host.wall -= 60 * DAY
    host.run(HOUR)
    assert host.passing.at == START + 2 * HOUR


def test_time_while_the_host_was_off_makes_nothing_old_until_the_central_node_confirms_it() -> None:
    host = Host()
    host.contact()
    before = host.look().at
    host.run(HOUR)
    host.reboot(30 * DAY)
    after = host.look().at
    host.run(HOUR)
    assert not host.is_old(before)
    host.contact()
    assert host.is_old(before)
    assert not host.is_old(after)


def test_a_clock_ahead_after_a_reboot_is_not_believed_by_contact_either() -> None:
    host = Host()
    host.contact()
    kept = host.look().at
    host.reboot(HOUR, claimed=40 * DAY)
    host.run(HOUR)
    host.contact()
    assert not host.is_old(kept)
    host.run(21 * DAY - 2 * HOUR)
    host.contact()
    assert not host.is_old(kept)
    host.run(2 * HOUR)
    assert host.is_old(kept)


def test_without_a_contact_before_nothing_is_believed() -> None:
    host = Host()
    kept = host.look().at
    host.reboot(30 * DAY)
    host.contact()
    assert not host.is_old(kept)


def test_a_file_that_does_not_know_its_boot_takes_all_as_a_claim() -> None:
    passing = look(Passing(START, START), START + 5 * DAY, Boot("b", 30 * DAY))
    assert passing.claims == (Claim(START, 5 * DAY),)
    assert cutoff(passing, DAY) == START - DAY


def test_many_reboots_stay_bounded_and_never_make_older() -> None:
    host = Host()
    kept = host.look().at
    for _ in range(3 * CLAIMS):
        host.reboot(DAY)
        host.run(MINUTE)
    assert len(host.passing.claims) == CLAIMS
    assert not host.is_old(kept)
    assert host.is_old(kept, 3 * CLAIMS * MINUTE - SECOND)


@given(
    st.lists(
        st.tuples(st.sampled_from(["run", "reboot", "lie", "jump", "keep"]), st.integers(0, 40), st.integers(-40, 40)),
        max_size=30,
    )
)
def test_without_contact_nothing_is_ever_older_than_it_is(deeds: list[tuple[str, int, int]]) -> None:
    """Whatever the clock says: age by proven time is a lower bound."""
    host = Host()
    kept = [(host.look().at, host.true)]
    for deed, days, other in deeds:
        match deed:
            case "run":
                host.run(days * DAY)
            case "reboot":
                host.reboot(days * DAY)
            case "lie":
                host.reboot(days * DAY, claimed=other * DAY)
            case "jump":
                host.wall += other * DAY
                host.look()
            case _:
                kept.append((host.look().at, host.true))
    for at, true in kept:
        assert not host.is_old(at, host.true - true + 1)
        assert at <= host.look().at


def test_this_hosts_boot_goes_on() -> None:
    first, second = this_boot(), this_boot()
    assert first.id == second.id
    assert 0 < first.up <= second.up
