"""The Windows rows that log records prove: files -> normaliser -> buffer, uplink, ingest, store -> a hunt.

The same rows are then asked of a second agent of the same Central Node, whose source leaves every part of an event but
its type and time empty: there each must fail, so no row can pass without its fields.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import ROWS as TABLE
from tests.acceptance.questions import RowError
from tests.acceptance.watched import Watched
from tests.acceptance.windows_public import SAYS_NOTHING, Public, pick
from tests.acceptance.windows_rows import HEADERS, ROWS, Found, add_bodies
from tests.acceptance.windows_scene import BODIES, FAILURE_NAMES, HOST, Scene
from tests.conftest import Deployment

from vedette.schema import windows_data

pytestmark = [pytest.mark.slow]

BODY_NAMES = {row: name for row, name in TABLE["Windows"].items() if row.startswith("W-BD-")}
add_bodies(BODY_NAMES)
AGENT = Path(__file__).parent / "replaying_agent.py"
RECORDS = 8 + len(BODIES) + 1 + 7
"""Of Sysmon, of the audit log, 1108, and of what protects."""
HEADER_NAMES = [name for row, name in TABLE["Windows"].items() if row.startswith("W-HD-")]
IDENTIFYING = {"event.type", "winlog.system.channel", "winlog.system.event_id", "winlog.data.LogonProcessName"}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(datetime.now(UTC))


@pytest.fixture(scope="module")
def deployment(
    make_deployment: Callable[[], Deployment], scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """Give a Central Node with the events of the scene, whole from one agent and blanked from another."""
    folder = tmp_path_factory.mktemp("logs")
    scene.write(folder)
    deployment = make_deployment()
    deployment.start_central()
    for host in (HOST, "blank"):
        data = deployment.enrol(host)
        deployment.start(host, command=[sys.executable, str(AGENT), str(data), str(folder), host])
    return deployment


@pytest.fixture(scope="module")
def found(deployment: Deployment, scene: Scene) -> Found:
    query = f"host.name:{HOST} AND NOT event.type in (telemetry_gap, task_report)"
    return Found(deployment.wait_for(query, "--limit", "1000", count=RECORDS), scene)


@pytest.fixture(scope="module")
def blanked(deployment: Deployment, scene: Scene) -> Found:
    query = "NOT host.name:* AND NOT event.type in (telemetry_gap, task_report)"
    return Found(deployment.wait_for(query, "--limit", "1000", count=RECORDS), scene)


@pytest.mark.parametrize("row", sorted(ROWS))
@pytest.mark.acceptance
def test_row_arrives_in_the_hunt(row: str, found: Found) -> None:
    ROWS[row](found)


@pytest.fixture(scope="module")
def public(
    deployment: Deployment, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Public], list[dict[str, Any]]]:
    """Give public records, and the events that an agent of the same Central Node made of them."""
    picked = pick(shared_data, frozenset(windows_data.KNOWN_NAMES.split()))
    lines = list(dict.fromkeys(one.line for one in picked.values()))
    folder = tmp_path_factory.mktemp("public")
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = deployment.enrol("public")
    deployment.start("public", command=[sys.executable, str(AGENT), str(data), str(folder), "public"])
    query = "host.name:public AND NOT event.type in (telemetry_gap, task_report)"
    return picked, deployment.wait_for(query, "--limit", "1000", count=len(lines))


def test_public_records_give_their_items_verbatim(public: tuple[dict[str, Public], list[dict[str, Any]]]) -> None:
    """96 of the 99 names are in public logs, 89 of them with a value that says something; 1108 is in none."""
    picked, events = public
    for name, one in picked.items():
        values = [
            event.get(f"winlog.data.{name}") for event in events
            if event["winlog.system.event_id"] == one.event_id and event["winlog.system.computer"] == one.computer
        ]  # fmt: skip
        assert one.value in [value and value.strip("{}") for value in values] or one.value in values, name
    missing = set(windows_data.KNOWN_NAMES.split()) - set(picked)
    assert missing == {"EventCode", "EventProcessingFailure", "PublisherId"}
    silent = {name for name, one in picked.items() if one.value in SAYS_NOTHING}
    print(f"{len(picked)} of 99 names in public records, {len(picked) - len(silent)} saying something; not: {silent}")
    assert len(picked) - len(silent) == 89


def test_public_records_keep_their_time_beside_that_of_receipt(
    public: tuple[dict[str, Public], list[dict[str, Any]]],
) -> None:
    for event in public[1]:
        assert event["event.time"] == event["event.received"]
        assert event["event.time_reported"] < event["event.received"]


def test_one_record_is_one_event(found: Found) -> None:
    assert len(found.events) == RECORDS


@pytest.mark.parametrize("row", sorted(set(ROWS) - {"W-GEN-01"}))
def test_row_fails_when_the_source_leaves_its_fields_empty(row: str, blanked: Found) -> None:
    with pytest.raises((RowError, KeyError)):
        ROWS[row](blanked)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_row_fails_when_any_of_its_fields_is_blank(row: str, found: Found) -> None:
    """Each field that the row's check reads is blanked alone, in the true events."""
    read: set[str] = set()
    ROWS[row](Found([Watched(event, read) for event in found.events], found.scene))
    assert read
    for name in read - IDENTIFYING or read:
        events = [{key: value for key, value in event.items() if key != name} for event in found.events]
        with pytest.raises((RowError, KeyError)):
            ROWS[row](Found(events, found.scene))


def test_items_are_found_by_their_names_whatever_their_case(deployment: Deployment, found: Found) -> None:
    """Every record by all its items at once, each by its Windows name in capitals."""
    records = sorted({*BODIES, 1108})
    hits: list[int] = []
    for start in range(0, len(records), 8):
        asked = " OR ".join(f"({items_asked(found, event_id)})" for event_id in records[start : start + 8])
        hits += [hit["winlog.system.event_id"] for hit in deployment.hunt(f"host.name:{HOST} AND ({asked})")]
    assert sorted(hits) == records


def items_asked(found: Found, event_id: int) -> str:
    """Give a query for the record by its items. In typed events some names mean fields of ours: there in full."""
    prefix = "" if found.record(event_id)["event.type"] == "os_log" else "winlog.data."
    known = {*windows_data.KNOWN_NAMES.split()}
    items = FAILURE_NAMES if event_id == 1108 else BODIES[event_id]
    asked = " AND ".join(
        f"{prefix if name in known else 'winlog.data.'}{name.upper()}:{quoted(value)}" for name, value in items.items()
    )
    return f"winlog.system.event_id:{event_id} AND winlog.system.channel:security AND {asked}"


def quoted(value: str) -> str:
    literal = value.replace("*", "[*]").replace("?", "[?]").replace('"', '""')
    return f'"{literal}"'


def test_header_names_are_found_whatever_their_case(deployment: Deployment, found: Found) -> None:
    event = found.record(4624)
    values = [event[f"winlog.system.{name}"] for name in HEADERS]
    asked = " AND ".join(
        f"{name.upper()}:{quoted(str(value))}" for name, value in zip(HEADER_NAMES, values, strict=True)
    )
    assert [hit["event.id"] for hit in deployment.hunt(asked)] == [event["event.id"]]
    own = " AND ".join(
        f"Winlog.System.{name}:{quoted(str(value))}" for name, value in zip(HEADERS, values, strict=True)
    )
    assert [hit["event.id"] for hit in deployment.hunt(own)] == [event["event.id"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("AccessFilesMask", "0x1"), ("PriviledgeList", "SeDebugPrivilege"), ("winlog.data.accessmask", "0x1")],
)
def test_other_spellings_of_the_requirements_are_known(
    name: str, value: str, deployment: Deployment, found: Found
) -> None:
    assert found.events
    assert len(deployment.hunt(f"host.name:{HOST} AND {name}:{value}")) == 1


def test_what_is_not_for_search_is_refused(deployment: Deployment, found: Found) -> None:
    assert found.blocked_file["blocked.hash_type"] == 1
    refused = deployment.vedette("hunt", "blocked.hash_type:1", check=False)
    assert refused.returncode == 1
    assert "not searchable" in refused.stderr
