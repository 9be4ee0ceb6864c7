"""Rule files over HTTP: checked, kept with versions, tried on stored events; in one's own tenants only."""

import json
from typing import Any

import pytest
from tests.central.api.conftest import START, Api, RealStore
from tests.central.api.test_events import row

from vedette.schema.access import Role
from vedette.schema.rules import RuleKind
from vedette.store.state import rules, versions

GOOD = 'rule Good { strings: $a = "x" condition: $a }'
BAD = "rule Bad { condition: $nothing }"
DIGEST = "5" * 64


SIGMA = """
title: A marker in a command line
id: 11111111-2222-4333-8444-555555555555
level: high
tags: [attack.execution, attack.t1059.004]
falsepositives: [this test]
logsource: {category: process_creation, product: linux}
detection:
  selection: {CommandLine|contains: vedette-marker}
  condition: selection
"""


def body(name: str, text: str, kind: str = "yara", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "text": text, **more}


def test_a_rule_file_is_kept_with_its_versions_and_one_that_cannot_be_used_is_not(api: Api) -> None:
    client = api.caller(Role.SENIOR_OFFICER)
    asked = {"rules": [body("good", GOOD), body("bad", BAD), body("both", GOOD + BAD), body("list", DIGEST, "ioc")]}
    good, bad, both, listed = client.post("/rules", json=asked | {"note": "first"}).json()
    assert (good["version"], good["check"]) == (1, {"rules": ["Good"], "problems": [], "types": []})
    assert (bad["version"], bad["check"]["rules"]) == (0, [])
    assert "nothing" in bad["check"]["problems"][0]["problem"]
    assert (both["version"], both["check"]["rules"], len(both["check"]["problems"])) == (1, ["Good"], 1)
    assert (listed["version"], listed["check"]["rules"]) == (1, ["list: 1 indicators"])
    again = client.post("/rules", json={"rules": [body("good", GOOD.replace("x", "y"))], "note": "second"}).json()
    assert again[0]["version"] == 2
    told = client.get("/rules/yara/good").json()
    assert [(one["version"], one["note"], one["author"]) for one in told["history"]] == [
        (2, "second", "senior_officer-default"), (1, "first", "senior_officer-default"),
    ]  # fmt: skip
    assert '"y"' in told["rule"]["text"]
    page = client.get("/rules", params={"limit": 2}).json()
    names = [one["name"] for one in page["items"]]
    page = client.get("/rules", params={"limit": 2, "cursor": page["cursor"]}).json()
    assert names + [one["name"] for one in page["items"]] == ["list", "both", "good"]
    assert page["items"][0]["text"] == ""
    assert len(client.get("/rules", params={"kind": "ioc"}).json()["items"]) == 1
    assert [entry.action for entry in api.audited()] == ["rule.save", "rule.save"]


def test_what_engines_use_are_the_enabled_ones_and_each_change_is_told(api: Api) -> None:
    client = api.caller(Role.SENIOR_OFFICER)

    def used() -> tuple[list[str], int]:
        with api.state.read() as db:
            found = rules.enabled(db, RuleKind.YARA)
            return [one.name for one in found], versions.current(db).get("rules.yara", 0)

    client.post("/rules", json={"rules": [body("a", GOOD), body("b", GOOD)]})
    assert used() == (["a", "b"], 2)
    assert client.post("/rules/yara/a/disable").json()["enabled"] is False
    assert used() == (["b"], 3)
    client.post("/rules", json={"rules": [body("a", GOOD)]})
    assert used()[0] == ["b"]
    assert client.post("/rules/yara/a/enable").json()["enabled"] is True
    assert client.delete("/rules/yara/b").status_code == 204
    assert used()[0] == ["a"]
    assert client.get("/rules/yara/b").status_code == client.delete("/rules/yara/b").status_code == 404


def test_rules_are_of_a_tenant_and_need_rights(api: Api) -> None:
    client, foreign = api.caller(Role.SENIOR_OFFICER), api.caller(Role.ADMINISTRATOR, tenants=("other",))
    client.post("/rules", json={"rules": [body("a", GOOD)]})
    assert foreign.get("/rules").json()["items"] == []
    assert foreign.post("/rules/yara/a/disable").status_code == 404
    assert foreign.post("/rules", json={"rules": [body("a", GOOD)], "tenant": "default"}).status_code == 409
    officer = api.caller(Role.OFFICER)
    assert officer.get("/rules/yara/a").status_code == 200
    assert officer.post("/rules/check", json={"rules": [body("a", GOOD)]}).json()[0]["rules"] == ["Good"]
    assert officer.post("/rules", json={"rules": [body("a", GOOD)]}).status_code == 403
    for wrong in (body("../a", GOOD), body("a", ""), body("a", GOOD, kind="odd"), body("a", GOOD, more=1)):
        assert client.post("/rules", json={"rules": [wrong]}).status_code == 422


@pytest.fixture
def hunting(api: Api, real_store: RealStore) -> Any:
    api.store.answer = real_store.ask

    def hold(*rows: dict[str, Any]) -> Any:
        tenant = real_store.insert(list(rows))
        return api.caller(Role.ADMINISTRATOR, tenants=(tenant,))

    return hold


def test_a_preview_tells_what_would_have_been_found_where_and_when(api: Api, hunting: Any) -> None:
    api.clock.now = START + 1
    found = [row(number, process__file__sha256=DIGEST, host__name="web") for number in (1, 2, 3)]
    client = hunting(*found, row(4))
    told = client.post("/rules/preview", json=body("l", DIGEST, "ioc", days=2)).json()
    assert (told["matches"], sum(told["days"].values()), told["hosts"], told["complete"]) == (3, 3, {"web": 3}, True)
    nothing = client.post("/rules/preview", json=body("l", "evil.example", "ioc", days=2)).json()
    assert (nothing["matches"], nothing["hosts"]) == (0, {})
    assert "dns.query" in nothing["silent_fields"]
    assert client.post("/rules/preview", json=body("l", GOOD)).status_code == 409
    assert client.post("/rules/preview", json=body("l", "<xml", "ioc")).status_code == 409


def test_behaviour_rules_are_checked_and_two_of_one_id_are_not_kept(api: Api) -> None:
    client = api.caller(Role.SENIOR_OFFICER)
    broken = SIGMA.replace("condition: selection", "condition: nothing")
    asked = [body("good", SIGMA, "taa"), body("broken", broken, "taa"), body("twin", SIGMA, "taa")]
    good, bad, twin = client.post("/rules", json={"rules": asked}).json()
    assert (good["version"], good["check"]["rules"]) == (1, ["11111111-2222-4333-8444-555555555555"])
    assert (bad["version"], len(bad["check"]["problems"])) == (0, 1)
    assert (twin["version"], "is in good already" in twin["check"]["problems"][-1]["problem"]) == (0, True)
    assert client.post("/rules", json={"rules": [body("good", SIGMA, "taa")]}).json()[0]["version"] == 2


def test_a_behaviour_rule_is_previewed(api: Api, hunting: Any) -> None:
    api.clock.now = START + 1
    client = hunting(row(1, process__command_line="sh -c vedette-MARKER", os__family="linux"), row(2))
    told = client.post("/rules/preview", json=body("m", SIGMA, "taa", days=2)).json()
    assert (told["matches"], told["complete"]) == (1, True)


BAD_EVENT = {"event.type": "process_start", "os.family": "linux", "process.command_line": "vedette-marker"}
GOOD_EVENT = BAD_EVENT | {"process.command_line": "ls"}


def test_a_rule_whose_own_tests_fail_is_not_kept(api: Api) -> None:
    client = api.caller(Role.SENIOR_OFFICER)

    def saved(kind: str, text: str, matching: list[Any], others: list[Any]) -> tuple[int, list[str]]:
        asked = body("t", text, kind, matching=matching, others=others)
        (told,) = client.post("/rules", json={"rules": [asked]}).json()
        return told["version"], [one["problem"] for one in told["check"]["problems"]]

    assert saved("taa", SIGMA, [BAD_EVENT], [GOOD_EVENT]) == (1, [])
    assert client.get("/rules/taa/t").json()["rule"]["tests"]["matching"] == [BAD_EVENT]
    version, problems = saved("taa", SIGMA, [GOOD_EVENT], [GOOD_EVENT, BAD_EVENT])
    assert (version, len(problems)) == (0, 2)
    assert "matching event 1: nothing is found" in problems[0]
    assert "other event 2" in problems[1]
    assert saved("ioc", DIGEST, [{"event.type": "file_create", "file.sha256": DIGEST}], []) == (1, [])
    assert "no event" in saved("taa", SIGMA, [{"event.type": "odd"}], [])[1][0]
    assert "cannot be events" in saved("yara", GOOD, [BAD_EVENT], [])[1][0]
    told = client.post("/rules/test", json=body("t", SIGMA, "taa", matching=[BAD_EVENT], others=[GOOD_EVENT])).json()
    assert (len(told["matching"][0]), told["others"], told["passed"]) == (1, [[]], True)


def test_rules_that_cannot_fire_are_listed(api: Api, hunting: Any) -> None:
    api.clock.now = START + 1
    client = hunting(row(1, os__family="linux"))
    other = (
        SIGMA.replace("process_creation", "registry_set").replace("linux", "windows").replace("CommandLine", "Details")
    )
    other = other.replace("11111111", "22222222")
    told = client.post("/rules", json={"rules": [body("fires", SIGMA, "taa"), body("blind", other, "taa")]}).json()
    assert [one["version"] for one in told] == [1, 1], told
    found = client.get("/rules/blind").json()
    assert [(one["name"], one["types"]) for one in found] == [("blind", ["registry_change"])]


def test_an_ioc_file_of_nearly_three_megabytes_is_kept(api: Api) -> None:
    objects = [
        {
            "type": "indicator",
            "id": f"indicator--{n}",
            "name": "x" * 200,
            "pattern": f"[domain-name:value = 'h{n}.example']",
        }
        for n in range(9_000)
    ]
    text = json.dumps({"type": "bundle", "objects": objects})
    assert len(text) > 2_700_000
    (told,) = api.caller(Role.SENIOR_OFFICER).post("/rules", json={"rules": [body("big", text, "ioc")]}).json()
    assert (told["version"], told["check"]["rules"]) == (1, ["big: 9000 indicators"])
