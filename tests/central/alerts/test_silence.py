"""Which hosts are called silent, judged on values."""

from typing import Any

import pytest

from vedette.central.alerts.silence import HOST, MANY, Limits, Verdict, judge, limits
from vedette.runtime.clock import HOUR, MINUTE, SECOND
from vedette.schema.alerts import Alert, AlertStatus, Severity, Technology
from vedette.schema.policies import Settings
from vedette.store.state.silence import Watched

NOW = 1_000 * HOUR
LIMIT = Limits(13 * MINUTE, 15 * MINUTE)


def host(number: int, silent: int, **changes: Any) -> Watched:
    values: dict[str, Any] = {
        "id": f"{number:032x}", "tenant": "default", "group": "default", "hostname": f"h{number}",
        "last_seen": NOW - silent, "stopped": None, "told": 0,
    }  # fmt: skip
    return Watched(**values | changes)


def alert(rule: str, about: str = "", **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "id": f"alert of {about}", "tenant": "default", "technology": Technology.HEALTH, "rule": rule, "title": "t",
        "severity": Severity.LOW, "status": AlertStatus.NEW, "host": about, "hostname": "", "chain": "", "why": {},
        "first": NOW - HOUR, "last": NOW - HOUR, "count": 1, "raised": NOW - HOUR, "changed": NOW - HOUR,
    }  # fmt: skip
    return Alert(**values | changes)


def look(hosts: list[Watched], **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "of_group": {("default", "default"): LIMIT}, "open_hosts": [], "latest_many": {}, "listening": 0, "now": NOW,
    }  # fmt: skip
    return judge(hosts, **values | more)


def rules(verdict: Verdict) -> list[tuple[str, str]]:
    return [(new.rule, new.host) for new in verdict.raised]


def test_a_host_is_silent_at_its_limit_and_not_before() -> None:
    assert rules(look([host(1, 15 * MINUTE - 1)])) == []
    (new,) = look([host(1, 15 * MINUTE)]).raised
    assert (new.rule, new.host, new.first, new.technology) == (HOST, f"{1:032x}", NOW - 15 * MINUTE, Technology.HEALTH)
    assert new.title == "h1 has fallen silent"
    assert new.why["limit of its group"] == "900 s"


@pytest.mark.parametrize("change", [{"stopped": NOW - HOUR}, {"told": 1}, {"group": "unwatched"}])
def test_who_said_goodbye_was_told_or_is_not_watched_raises_none(change: dict[str, Any]) -> None:
    groups = {("default", "default"): LIMIT, ("default", "unwatched"): Limits(0, 0)}
    assert rules(look([host(1, HOUR, **change)], of_group=groups)) == []


def test_nobody_is_silent_for_longer_than_ingest_listens() -> None:
    hosts = [host(1, HOUR)]
    assert rules(look(hosts, listening=NOW - 15 * MINUTE + 1)) == []
    assert rules(look(hosts, listening=NOW - 15 * MINUTE)) == [(HOST, f"{1:032x}")]


def test_an_alert_closes_when_its_host_speaks_stops_or_is_revoked() -> None:
    hosts = [host(1, MINUTE), host(2, MINUTE, stopped=NOW - MINUTE), host(4, HOUR, told=1)]
    verdict = look(hosts, open_hosts=[alert(HOST, f"{number:032x}") for number in (1, 2, 3, 4)])
    notes = {about.removeprefix("alert of ").lstrip("0"): note for about, note in verdict.closed}
    assert notes.keys() == {"1", "2", "3"}
    assert "speaks again" in notes["1"]
    assert "stopped in order" in notes["2"]
    assert "revoked" in notes["3"]


def test_most_hosts_together_are_one_alert_about_the_network() -> None:
    silent = [host(number, 13 * MINUTE + number * 20 * SECOND) for number in range(7)]
    speaking = [host(number, MINUTE) for number in range(7, 12)]
    (new,) = look(silent + speaking).raised
    assert (new.rule, new.host, new.count, new.severity) == (MANY, "", 7, Severity.HIGH)
    assert "7 of 12 hosts" in new.title


def test_before_the_first_reaches_the_limit_nothing_is_said() -> None:
    assert look([host(number, 14 * MINUTE) for number in range(9)]).raised == []


def test_half_of_the_hosts_or_a_few_are_told_one_by_one() -> None:
    half = [host(number, HOUR) for number in range(5)] + [host(number, 0) for number in range(5, 10)]
    assert [rule for rule, _ in rules(look(half))] == [HOST] * 5
    assert [rule for rule, _ in rules(look([host(number, HOUR) for number in range(4)]))] == [HOST] * 4


def test_while_the_alert_about_many_is_open_none_is_told_alone_and_after_it_those_who_stayed_silent() -> None:
    many = {"default": alert(MANY, raised=NOW - MINUTE)}
    silent = [host(number, HOUR) for number in range(7)]
    assert look([*silent, host(9, 0)], latest_many=many) == Verdict([], [])
    verdict = look(silent[:2] + [host(number, 0) for number in range(2, 8)], latest_many=many)
    assert verdict.closed == [("alert of ", "2 of 8 hosts are still silent")]
    assert [rule for rule, _ in rules(verdict)] == [HOST] * 2


def test_an_alert_about_many_that_a_person_closed_is_not_raised_again_for_the_same_silence() -> None:
    closed = alert(MANY, status=AlertStatus.CLOSED, raised=NOW - 30 * MINUTE)
    assert look([host(number, HOUR) for number in range(7)], latest_many={"default": closed}).raised == []
    again = look([host(number, 20 * MINUTE) for number in range(7)], latest_many={"default": closed})
    assert [rule for rule, _ in rules(again)] == [MANY]


def test_tenants_are_judged_apart() -> None:
    hosts = [host(number, HOUR, tenant="a") for number in range(6)] + [
        host(9, HOUR, tenant="b"),
        host(8, 0, tenant="b"),
    ]
    groups = {("a", "default"): LIMIT, ("b", "default"): LIMIT}
    assert {(new.tenant, new.rule) for new in look(hosts, of_group=groups).raised} == {("a", MANY), ("b", HOST)}


def test_a_limit_is_never_shorter_than_three_signs_of_life() -> None:
    assert limits(Settings()) == Limits(13 * MINUTE, 15 * MINUTE)
    assert limits(Settings(silent_after=0)).ripe == 0
    assert limits(Settings(silent_after=60, heartbeat=3600)).ripe == 3 * (HOUR + MINUTE)
