"""`vedette alerts` against a served API."""

import json

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
