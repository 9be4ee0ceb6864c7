"""The ledger: what is sent, received, stored and missing always adds up."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.central.api.conftest import START, Api
from tests.central.api.test_hosts import enrol

from vedette.central.api.ledger import balance, gaps_of, total
from vedette.runtime.clock import DAY
from vedette.schema.access import Role
from vedette.store.state import ledger, refusals


def stream(ranges: list[tuple[int, int]], sent: int, stored: int = 0) -> ledger.Stream:
    """Give a stream's line."""
    return ledger.Stream(
        hostname="h", last_seen=None, agent="a", epoch="e", tenant="default", first_seen=1, updated=2, ranges=ranges,
        received=sum(last - first + 1 for first, last in ranges), sent_last=sent, duplicates=0, refused=0,
        drops={"file_change": 1}, throttled={}, expired=0, aged={}, overflowed={}, spool_events=0, spool_oldest=None,
        stored=stored, dead_letter=0, unknown_fields=0, clock_corrected=0, removed=0,
    )  # fmt: skip


@given(st.sets(st.integers(1, 60)), st.integers(0, 70))
def test_missing_is_what_the_gaps_hold(numbers: set[int], sent: int) -> None:
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    line = stream(ranges, sent)
    found = balance(line)
    missing = {number for gap in gaps_of(line) for number in range(gap.first, gap.last + 1)}
    assert missing == set(range(1, max([sent, *numbers]) + 1)) - numbers
    assert found.sent == found.received + found.missing
    assert found.missing == len(missing)


def test_streams_of_a_host_add_up() -> None:
    added = total([balance(stream([(1, 5)], 5, stored=5)), balance(stream([(1, 2), (4, 4)], 6, stored=1))])
    assert (added.sent, added.received, added.stored, added.in_flight, added.missing) == (11, 8, 6, 2, 3)
    assert (added.lost, added.gaps_total, added.epoch) == ({"file_change": 2}, 2, "")


def test_the_report_shows_hosts_of_the_tenant_and_refusals(api: Api) -> None:
    mine, foreign = enrol(api, "web"), enrol(api, "far", tenant="other")
    with api.state.write() as db:
        for agent in (mine, foreign):
            received = ledger.StreamReceived(agent=agent, epoch="e", ranges=((1, 8), (10, 10)), sent_last=12)
            ledger.record_streams(db, [received], now=5)
        ledger.settle_segment(db, 1, [ledger.StreamCount(agent=mine, epoch="e", stored=7, dead_letter=1)])
        refusals.count(db, "no_certificate", None, 3, now=5)
    client = api.caller(Role.AUDITOR)
    report = client.get("/ledger").json()
    assert [host["hostname"] for host in report["hosts"]] == ["web"]
    line = report["hosts"][0]["streams"][0]
    wanted = {"sent": 12, "received": 9, "stored": 7, "dead_lettered": 1, "in_flight": 1, "missing": 3}
    assert {name: line[name] for name in wanted} == wanted
    assert line["gaps"] == [{"first": 9, "last": 9}, {"first": 11, "last": 12}]
    assert report["refusals"][0]["count"] == 3
    assert client.get(f"/ledger/{mine}").json() == report["hosts"][0]
    assert client.get(f"/ledger/{foreign}").status_code == 404


def test_hosts_come_page_by_page_and_by_name(api: Api) -> None:
    wanted = sorted(f"h{number}" for number in range(5))
    for name in wanted:
        told = ledger.StreamReceived(agent=enrol(api, name), epoch="e", ranges=[(1, 2)])
        with api.state.write() as db:
            ledger.record_streams(db, [told], now=5)
    client = api.caller(Role.AUDITOR)
    names: list[str] = []
    page: dict[str, Any] = {"cursor": ""}
    while page["cursor"] is not None:
        page = client.get("/ledger", params={"limit": 2, "cursor": page["cursor"]}).json()
        names += [host["hostname"] for host in page["hosts"]]
    assert names == wanted
    (only,) = client.get("/ledger", params={"host": "h3"}).json()["hosts"]
    assert only["hostname"] == "h3"


def test_days_of_a_host_have_their_own_gaps(api: Api) -> None:
    agent = enrol(api, "web")
    with api.state.write() as db:
        for at, ranges, sent in ((START, [(1, 8)], 10), (START + DAY, [(1, 8), (13, 20)], 25)):
            told = ledger.StreamReceived(agent=agent, epoch="e", ranges=ranges, sent_last=sent)
            ledger.record_streams(db, [told], now=at)
    client = api.caller(Role.AUDITOR)
    new, old = client.get(f"/ledger/{agent}/days").json()["items"]
    assert (old["sent"], old["received"], old["missing"]) == (10, 8, 2)
    assert old["gaps"] == [{"first": 9, "last": 10}]
    assert (new["sent"], new["received"], new["missing"]) == (15, 8, 7)
    assert new["gaps"] == [{"first": 11, "last": 12}, {"first": 21, "last": 25}]
    checked = client.get("/ledger/check").json()
    assert (checked["differences"], checked["waiting"]) == ([], 0)
