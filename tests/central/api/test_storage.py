"""Bytes, rows and days by tenant; who may change how long events stay."""

from typing import Any

from tests.central.api.conftest import START, Api

from vedette.query.statement import Statement
from vedette.runtime.clock import DAY
from vedette.schema.access import Role
from vedette.store.parts import Parts
from vedette.store.retention import Drop, day_of
from vedette.store.state import retention


def stored(*parts: tuple[str, int, int]) -> list[tuple[Any, ...]]:
    """Give rows of parts: tenant, days ago, bytes."""
    return [(tenant, day_of(START - back * DAY), size * 10, size, 1) for tenant, back, size in parts]


def with_parts(api: Api, *parts: tuple[str, int, int]) -> None:
    def answer(statement: Statement) -> list[tuple[Any, ...]]:
        assert statement.columns == Parts.__struct_fields__
        return stored(*parts)

    api.store.answer = answer


def test_a_tenant_sees_its_own_and_when_it_goes(api: Api) -> None:
    with_parts(api, ("default", 1, 100), ("default", 0, 60), ("other", 1, 5))
    client = api.caller(Role.SENIOR_OFFICER)
    found = client.put("/storage/retention/default", json={"days": 3}).json()
    assert (found["bytes"], found["rows"], found["full_in"]) == (160, 1600, None)
    (mine,) = found["tenants"]
    assert (mine["tenant"], mine["days"], mine["rate"], mine["keep_days"], mine["own_rule"]) == (
        "default", 2, 100, 3, True,
    )  # fmt: skip
    assert mine["next_removal"] == {"day": day_of(START - DAY), "in_days": 2, "reason": "days"}
    assert client.delete("/storage/retention/default").status_code == 204
    (mine,) = client.get("/storage").json()["tenants"]
    assert (mine["keep_days"], mine["own_rule"], mine["next_removal"]) == (0, False, None)
    assert [entry.action for entry in api.audited()] == ["storage.retention.set", "storage.retention.unset"]


def test_rules_need_the_right_and_the_tenant(api: Api) -> None:
    with_parts(api)
    assert api.caller(Role.OFFICER).put("/storage/retention/default", json={"days": 3}).status_code == 403
    client = api.caller(Role.ADMINISTRATOR)
    assert client.put("/storage/retention/other", json={"days": 3}).status_code == 404
    assert client.put("/storage/retention/default", json={"days": -1}).status_code == 422
    assert client.get("/storage").json()["tenants"][0]["own_rule"] is False


def test_days_and_removals_come_page_by_page(api: Api) -> None:
    with_parts(api, *(("default", back, 10) for back in range(5)), ("other", 2, 10))
    with api.state.write() as db:
        for back in (9, 8, 7):
            drop = Drop(tenant="default", day=day_of(START - back * DAY), rows=4, size=10, reason="days")
            retention.end_removal(db, retention.begin_removal(db, drop, now=START), now=START)
    client = api.caller(Role.AUDITOR)
    for path, wanted in (("/storage/days", 5), ("/storage/removals", 3)):
        days: list[str] = []
        page: dict[str, Any] = {"cursor": ""}
        while page["cursor"] is not None:
            page = client.get(path, params={"limit": 2, "cursor": page["cursor"]}).json()
            days += [item["day"] for item in page["items"]]
        assert days == sorted(set(days), reverse=True)
        assert len(days) == wanted
    assert client.get("/storage").json()["tenants"][0]["removed"] == {
        "tenant": "default", "days": 3, "rows": 12, "size": 30,
    }  # fmt: skip
