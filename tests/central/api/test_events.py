"""Hunting over HTTP: shape, joins, limits, exports, scope."""

from typing import Any

import httpx
import pytest
from tests.central.api.conftest import START, Api, RealStore

from vedette.query.statement import Statement
from vedette.runtime.clock import DAY, MINUTE, SECOND
from vedette.schema.access import Role
from vedette.schema.identity import event_id
from vedette.store.events import EventStoreError

HOST = "a" * 32
ENTITY = "e" * 32


class Hunt:
    """An API over a real store that holds the rows of one test."""

    def __init__(self, api: Api, store: RealStore) -> None:
        self.api, self._store, self.tenant = api, store, "none"
        api.store.answer = store.ask

    def holds(self, *rows: dict[str, Any]) -> None:
        """Store events."""
        self.tenant = self._store.insert(list(rows))

    def caller(self, role: Role = Role.AUDITOR) -> httpx.Client:
        """Give a client in the rows' tenant."""
        return self.api.caller(role, tenants=(self.tenant,))

    def search(self, role: Role = Role.AUDITOR, **body: Any) -> dict[str, Any]:
        """Search as `role`."""
        answer = self.caller(role).post("/events/search", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def hunt(api: Api, real_store: RealStore) -> Hunt:
    """Give an API over a real store."""
    return Hunt(api, real_store)


def row(sequence: int, **values: Any) -> dict[str, Any]:
    """Give a stored event, a second before the one of the number below; `__` in a name is a dot."""
    return {
        "event.type": "process_start",
        "event.time": START - sequence * SECOND,
        "event.received": START,
        "event.epoch": "0" * 16,
        "event.sequence": sequence,
        "host.id": HOST,
    } | {name.replace("__", "."): value for name, value in values.items()}


def test_an_event_is_flat_with_the_names_of_its_type_and_without_what_is_unknown(hunt: Hunt) -> None:
    hunt.holds(
        row(
            7,
            event__type="module_load",
            file__path="/lib/x.so",
            process__file__name=None,
            host__ip=[],
            process__args=["a", ""],
            winlog__data={"Key": "v"},
            process__env={"PATH": "/bin"},
            process__args_truncated=False,
            process__pid=0,
            user__name="",
        )
    )
    (event,) = hunt.search()["events"]
    assert event["module.file.path"] == "/lib/x.so"
    assert event["event.id"] == event_id(HOST, "0" * 16, 7)
    assert event["event.time"] == START - 7 * SECOND
    assert event["process.env"] == {"PATH": "/bin"}
    assert event["winlog.data.Key"] == "v"
    assert event["process.args"] == ["a", ""]
    assert (event["user.name"], event["process.pid"], event["process.args_truncated"]) == ("", 0, False)
    assert not {"file.path", "process.file.name", "host.ip", "winlog.data"} & set(event)


def test_a_process_start_tells_how_the_process_ended(hunt: Hunt) -> None:
    hunt.holds(
        row(2, process__entity_id=ENTITY),
        row(3, process__entity_id="d" * 32),
        row(1, event__type="process_stop", process__entity_id=ENTITY, process__end_time=START, process__exit_code=3),
    )
    events = hunt.search(query="event.type:process_start")["events"]
    assert (events[0]["process.end_time"], events[0]["process.exit_code"]) == (START, 3)
    assert "process.exit_signal" not in events[0]
    assert "process.end_time" not in events[1]
    columns = ["process.exit_code", "process.entity_id"]
    events = hunt.search(Role.OFFICER, query="event.type:process_start", columns=columns)["events"]
    assert "process.end_time" not in events[0]
    assert events[0]["process.exit_code"] == 3


def test_only_the_columns_that_were_asked_for_by_any_name_come(hunt: Hunt) -> None:
    hunt.holds(row(1, process__command_line="ls", user__name="ann"))
    event = hunt.search(columns=["CommandLine", "winlog.data.TargetUserName"])["events"][0]
    assert set(event) == {"event.id", "event.time", "event.type", "process.command_line"}
    assert "user.name" not in hunt.api.store.asked[0].columns


def test_environment_variables_need_their_own_right(hunt: Hunt) -> None:
    hunt.holds(row(1, process__env={"SECRET": "x"}))
    officer = hunt.caller(Role.OFFICER)
    event = officer.post("/events/search", json={}).json()["events"][0]
    assert "process.env" not in event
    assert "process.env" not in hunt.api.store.asked[0].columns
    for body in ({"columns": ["process.env"]}, {"columns": ["process.env.SECRET"]}, {"query": "process.env.SECRET:x*"}):
        assert officer.post("/events/search", json=body).status_code == 403
    assert officer.post("/events/top", json={"field": "process.env.SECRET"}).status_code == 403
    assert hunt.search(columns=["process.env.SECRET"])["events"][0]["process.env"] == {"SECRET": "x"}


def test_another_tenants_events_do_not_exist(hunt: Hunt) -> None:
    hunt.holds(row(1, process__entity_id=ENTITY, user__name="ann"))
    hunt.holds(row(2, process__entity_id="d" * 32))
    found = hunt.search(query="user.name:ann")
    assert found["events"] == []
    assert found["newest"]["event.time"] == START - 2 * SECOND
    client = hunt.caller(Role.OFFICER)
    assert client.get(f"/processes/{ENTITY}/tree").status_code == 404
    assert client.get(f"/processes/{'d' * 32}/tree").status_code == 200
    assert client.post("/events/count", json={}).json()["count"] == 1
    assert "ann" not in client.post("/events/export", json={}).text


def test_the_callers_tenants_bind_every_statement(api: Api) -> None:
    client = api.caller(Role.ADMINISTRATOR, tenants=("blue", "green"))
    for path, body in (
        ("/events/search", {}),
        ("/events/count", {}),
        ("/events/histogram", {}),
        ("/events/top", {"field": "user.name"}),
        ("/events/values", {"field": "user.name"}),
        ("/events/export", {}),
    ):
        api.store.asked.clear()
        assert client.post(path, json=body).status_code == 200, path
        assert api.store.asked
        for statement in api.store.asked:
            assert "`tenant` IN" in statement.sql
            assert ["blue", "green"] in [list(v) for v in statement.parameters.values() if isinstance(v, list | tuple)]


@pytest.mark.parametrize(
    ("since", "until", "window"),
    [
        (None, None, (START - DAY, START + 6 * MINUTE)),
        ("2h", "1h", (START - 7200 * SECOND, START - 3600 * SECOND)),
        (5, 9, (5, 9)),
        ("now-1d", "now", (START - DAY, START)),
        ("2026-11-24", "2026-11-24", (1_795_478_400 * SECOND, 1_795_564_800 * SECOND)),
    ],
)
def test_time_is_given_in_many_ways(api: Api, since: Any, until: Any, window: tuple[int, int]) -> None:
    answer = api.caller(Role.OFFICER).post("/events/search", json={"since": since, "until": until}).json()
    assert (answer["since"], answer["until"]) == window


def test_an_event_is_found_by_its_id_and_a_hidden_field_is_shown_but_not_searched(hunt: Hunt) -> None:
    hunt.holds(*(row(n, event__type="file_block", blocked__hash_type=0, file__path="/x") for n in range(1, 4)))
    (event,) = hunt.search(query=f"event.id:{event_id(HOST, '0' * 16, 2)}")["events"]
    assert (event["event.sequence"], event["blocked.hash_type"], event["blocked.file.path"]) == (2, 0, "/x")
    refused = hunt.caller(Role.OFFICER).post("/events/search", json={"query": "blocked.hash_type:0"})
    assert refused.status_code == 400
    assert "stored, not searchable" in refused.json()["detail"]


def test_pages_follow_one_another_by_cursor(hunt: Hunt) -> None:
    hunt.holds(*(row(number) for number in range(1, 6)))
    client, numbers = hunt.caller(), []
    cursor: str | None = ""
    while cursor is not None:
        page = client.post("/events/search", json={"limit": 2, "cursor": cursor}).json()
        assert page["complete"]
        numbers.append([event["event.sequence"] for event in page["events"]])
        cursor = page["cursor"]
    assert numbers == [[1, 2], [3, 4], [5]]


def test_a_search_that_met_a_limit_says_how_far_it_came(api: Api) -> None:
    def slow(_statement: Statement) -> list[tuple[Any, ...]]:
        raise EventStoreError("too long", code=159)

    api.store.answer = slow
    answer = api.caller(Role.OFFICER).post("/events/search", json={}).json()
    assert (answer["complete"], answer["reason"], answer["events"]) == (False, "time", [])
    assert answer["reached"] == answer["until"]
    assert answer["cursor"]


def test_counts_histograms_top_and_seen_values(hunt: Hunt) -> None:
    hunt.holds(*(row(number, user__name="ann" if number % 3 else "bob") for number in range(1, 10)))
    client = hunt.caller()
    count = client.post("/events/count", json={"query": "user.name:ann"}).json()
    assert (count["count"], count["hosts"], count["complete"]) == (6, 1, True)
    histogram = client.post("/events/histogram", json={"bucket": 3600 * SECOND}).json()
    assert sum(events for _, events in histogram["counts"]) == 9
    top = client.post("/events/top", json={"field": "UserName"}).json()["values"]
    assert [(one["value"], one["count"], one["last"]) for one in top] == [
        ("ann", 6, START - SECOND), ("bob", 3, START - 3 * SECOND),
    ]  # fmt: skip
    assert client.post("/events/values", json={"field": "user.name", "prefix": "B"}).json() == [
        {"value": "bob", "count": 3}
    ]


def test_the_tree_of_a_process_goes_both_ways(hunt: Hunt) -> None:
    ids = {name: letter * 32 for name, letter in (("sshd", "1"), ("bash", "2"), ("curl", "3"), ("sh", "4"))}
    hunt.holds(
        row(9, process__entity_id=ids["bash"], process__parent__entity_id=ids["sshd"], process__file__name="bash",
            process__parent__file__path="/usr/sbin/sshd"),
        row(8, process__entity_id=ids["curl"], process__parent__entity_id=ids["bash"], process__file__name="curl"),
        row(7, process__entity_id=ids["sh"], process__parent__entity_id=ids["curl"], process__file__name="sh"),
        row(6, event__type="process_stop", process__entity_id=ids["curl"], process__end_time=START,
            process__exit_code=22),
    )  # fmt: skip
    tree = hunt.caller().get(f"/processes/{ids['curl']}/tree").json()
    assert tree["complete"]
    shown = [(one["entity_id"], one["depth"], one["known"]) for one in tree["processes"]]
    assert shown == [(ids["sshd"], -2, False), (ids["bash"], -1, True), (ids["curl"], 0, True), (ids["sh"], 1, True)]
    assert tree["processes"][2]["facts"]["process.exit_code"] == 22
    part = hunt.caller(Role.OFFICER).get(f"/processes/{ids['curl']}/tree", params={"most": 2}).json()
    assert (part["complete"], len(part["processes"])) == (False, 2)


def test_an_explained_query_shows_sql_with_bound_values(api: Api) -> None:
    found = api.caller(Role.OFFICER).post("/events/explain", json={"query": "user.name:o'brien"}).json()
    assert "brien" not in found["sql"]
    assert any("brien" in str(value) for value in found["parameters"].values())
    assert "user.name" in found["understood"]
    assert api.store.asked == []


def test_a_query_that_will_hardly_match_gets_a_hint(api: Api) -> None:
    client = api.caller(Role.OFFICER)
    for path in ("/events/search", "/events/count", "/events/explain"):
        hints = client.post(path, json={"query": "process.file.path:curl"}).json()["hints"]
        assert "whole path" in hints[0]
    assert client.post("/events/search", json={"query": "process.file.name:curl"}).json()["hints"] == []


def test_fields_have_their_other_names(api: Api) -> None:
    found = {one["name"]: one for one in api.caller(Role.OFFICER).get("/fields").json()}
    assert "CommandLine" in found["process.command_line"]["aliases"]
    assert "module_load" in found["file.path"]["types"]
    assert found["blocked.hash_type"]["searchable"] is False
    assert found["event.time"]["kind"] == "time"
