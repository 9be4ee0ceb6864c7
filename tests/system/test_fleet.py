"""`vedette bench fleet` against a whole Central Node: the numbers that it prints are those of the server."""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.conftest import Deployment

pytestmark = pytest.mark.slow


@pytest.fixture
def deployment(make_deployment: Callable[[], Deployment]) -> Iterator[Deployment]:
    made = make_deployment()
    made.start_central()
    yield made
    made.stop_all()


def test_a_fleet_is_measured_and_nothing_is_lost(deployment: Deployment) -> None:
    fleet = ("bench", "fleet", "--agents", "20", "--rate", "50", "--seconds", "6", "--json")
    told = json.loads(deployment.vedette(*fleet, "--keep", str(deployment.root / "fleet")).stdout)
    assert told["events"] == told["ledger"]["stored"] == told["ledger"]["sent"] >= 20 * 50 * 4
    assert (told["lost"], told["refused"], told["not_found"], told["lost_contact"]) == (0, 0, 0, 0)
    assert 0 < told["receipt_ms"]["p50"] <= told["receipt_ms"]["p99"]
    assert 0 < told["searchable_s"]["p50"] <= 5
    count = deployment.json_lines("hunt", "host.name:fleet-*", "--count")[0]
    assert (count["count"], count["hosts"]) == (told["events"], 20)

    events = deployment.root / "events.jsonl"
    events.write_text("".join(json.dumps(one) + "\n" for one in deployment.hunt("event.type:file_create")))
    again = ("--replay", str(events), "--keep", str(deployment.root / "fleet"))
    told = json.loads(deployment.vedette(*fleet, *again).stdout)
    assert told["events"] == told["ledger"]["stored"] > 0
    assert len(deployment.json_lines("hosts")) == 20
    found = {one["value"]: one["count"] for one in deployment.json_lines("hunt", "--top", "event.type")}
    assert found["file_create"] > told["events"]


def test_hundreds_return_at_once_and_calm_agents_are_heard_meanwhile(deployment: Deployment) -> None:
    fleet = ("bench", "fleet", "--agents", "300", "--calm", "20", "--backlog", "600", "--batch", "200", "--json")
    told = json.loads(deployment.vedette(*fleet, "--seconds", "150", seconds=200).stdout)
    assert (told["drained"], told["lost"], told["refused"]) == (280, 0, 0)
    assert told["ledger"]["stored"] == told["events"] >= 280 * 600
    assert told["searched"] > 0
    assert told["not_found"] == 0
    assert told["searchable_s"]["p95"] <= max(10, told["drain_s"]["last"] / 3), "what is new does not wait for them"
    assert told["busy_in_a_row"] <= 10
    assert told["drain_s"]["last"] <= 20 + 4 * told["drain_s"]["first"], "none is left behind"
