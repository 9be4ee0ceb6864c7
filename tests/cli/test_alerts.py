"""`vedette alerts` against a served API."""

import json

import pytest
from tests.central.api.conftest import Api
from tests.central.api.test_alerts import put
from tests.cli.conftest import Vedette


def test_alerts_are_listed_shown_and_moved(vedette: Vedette, api: Api) -> None:
    assert "there are no open alerts" in vedette("alerts").stderr
    alert = put(api, "silent_host")
    listed = vedette("alerts").stdout
    for value in (alert, "high", "new", "health", "silent_host happened"):
        assert value in listed
    assert json.loads(vedette("alerts", "--json").stdout)["id"] == alert
    done = vedette("alerts", "acknowledge", alert, "--note", "I look")
    assert done.stdout == "silent_host happened: in_progress\n"
    shown = vedette("alerts", "show", alert).stdout
    for value in ("fact", "value", "I look", "ann", "Vedette"):
        assert value in shown
    assert json.loads(vedette("alerts", "close", alert, "--json").stdout)["status"] == "closed"
    assert "there are no open alerts" in vedette("alerts").stderr
    assert alert in vedette("alerts", "--status", "all").stdout
    assert vedette("alerts", "reopen", alert).exit_code == 0
    assert len(json.loads(vedette("alerts", "show", alert, "--json").stdout)["steps"]) == 4


def test_alerts_are_assigned_hidden_and_changed_in_bulk(vedette: Vedette, api: Api) -> None:
    made = [put(api, f"r{number}") for number in range(3)]
    assert vedette("alerts", "assign", made[0], "nobody").exit_code == 1
    assert vedette("alerts", "assign", made[0], "ann", "--note", "yours").exit_code == 0
    assert json.loads(vedette("alerts", "--assignee", "ann", "--json").stdout)["id"] == made[0]
    assert vedette("alerts", "vip", made[0]).exit_code == 0
    assert "vip" in vedette("alerts", "show", made[0]).stdout
    assert vedette("alerts", "vip", made[0], "--off").exit_code == 0
    done = vedette("alerts", "bulk", "close", "--severity", "high", "--reason", "expected", "--note", "a test")
    assert done.stdout == "3 alerts changed, 0 left as they were\n"
    assert json.loads(vedette("alerts", "show", made[1], "--json").stdout)["alert"]["resolution"] == "expected"
    assert vedette("alerts", "findings", made[0], "--json").stdout == ""


def test_watching_shows_what_is_raised(vedette: Vedette, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.cli.alerts.now", lambda: api.clock() - 1)
    alert = put(api, "r")
    assert alert in vedette("alerts", "watch", "--once").stdout


def test_exclusions_are_added_listed_and_removed(vedette: Vedette) -> None:
    made = vedette("exclusions", "add", "--rule", "r", "--path", "/opt/*", "--note", "backup").stdout.strip()
    listed = vedette("exclusions").stdout
    for value in (made, "rule=r, path=/opt/*", "backup", "never"):
        assert value in listed
    assert vedette("exclusions", "add", "--note", "all").exit_code == 1
    assert vedette("exclusions", "remove", made).exit_code == 0
    assert made not in vedette("exclusions", "--json").stdout
