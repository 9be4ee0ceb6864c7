"""Dead letters: listed by tenant, exported whole, sent again once."""

import base64
import json
from pathlib import Path

from tests.central.api.conftest import Api
from tests.central.api.test_hosts import enrol
from tests.central.pipeline.conftest import record

from vedette.central.api.parts import Node
from vedette.central.pipeline.dead_letter import DeadLetter, keep
from vedette.schema.access import Role


def test_they_are_listed_exported_and_sent_again(api: Api, tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    folder.mkdir()
    api.parts.node = Node(dead_letters=folder)
    mine, foreign = enrol(api, "web"), enrol(api, "far", tenant="other")
    letters = [record(1, 3, agent=mine), record(1, 2, agent=foreign)]
    keep(folder, "000000000001-000", [DeadLetter(one, "broken: x", events=one.count) for one in letters])
    keep(folder, "000000000002-000", [DeadLetter(record(9, 1, agent=foreign), "broken: y", events=1)])
    client = api.caller(Role.SENIOR_OFFICER)
    (only,) = client.get("/dead-letters").json()["items"]
    assert (only["name"], only["reason"], only["records"], only["events"], only["again"]) == (
        "000000000001-000", "broken: x", 1, 3, False,
    )  # fmt: skip
    lines = client.post("/dead-letters/000000000001-000/export").text.splitlines()
    assert [base64.b64decode(json.loads(line)["body"]) for line in lines] == [letters[0].body]
    assert client.post("/dead-letters/000000000002-000/export").status_code == 404
    assert client.post("/dead-letters/..%2Fstate/export").status_code in {404, 422}

    assert api.caller(Role.OFFICER).post("/dead-letters/redrive", json={"names": []}).status_code == 403
    assert client.post("/dead-letters/redrive", json={"names": ["000000000002-000"]}).status_code == 404
    assert client.post("/dead-letters/redrive", json={"names": []}).json() == {"files": 1, "events": 3}
    (only,) = client.get("/dead-letters").json()["items"]
    assert only["again"]
    assert client.post("/dead-letters/redrive", json={"names": []}).json() == {"files": 0, "events": 0}
    assert client.get("/dead-letters/redrives").json() == []
    actions = [entry.action for entry in api.audited() if entry.outcome == "done"]
    assert actions == ["dead_letters.export", "dead_letters.redrive", "dead_letters.redrive"]
