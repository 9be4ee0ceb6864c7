"""From the host to the alert: what an agent finds is in the list within seconds, and is heard of as it comes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.central.api.test_rules import SIGMA
from tests.conftest import Deployment, until

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_a_live_detection_is_an_alert_within_five_seconds_of_its_receipt(
    make_deployment: Callable[[], Deployment], tmp_path: Path
) -> None:
    deployment = make_deployment()
    deployment.start_central()
    deployment.enrol()
    rule = tmp_path / "marker.yml"
    rule.write_text(SIGMA)
    deployment.vedette("rules", "add", str(rule))
    deployment.start_agent()
    deployment.wait_for_agent()
    script = tmp_path / "eicar.com"
    script.write_bytes(EICAR)
    subprocess.run(["/bin/cat", str(script)], check=True, capture_output=True)
    subprocess.run(["/bin/echo", "vedette-marker"], check=True, capture_output=True)

    found = check_alert(deployment, "yara", "EICAR", "epp_detect")
    assert found["file.path"] == str(script)
    found = check_alert(deployment, "taa", "marker", "process_start")
    assert found["process.command_line"] == "/bin/echo vedette-marker"


def check_alert(deployment: Deployment, technology: str, word: str, event_type: str) -> dict[str, str]:
    """Wait for an alert, see how late it was for its event; give the fields that it names."""

    def raised() -> list[dict[str, Any]]:
        return [one for one in deployment.json_lines("alerts", "--technology", technology) if word in one["title"]]

    (alert,) = until(raised, seconds=60, what=f"a {technology} alert", alive=deployment.alive)
    finding = deployment.json_lines("alerts", "show", alert["id"])[0]["findings"][0]
    (event,) = deployment.wait_for(f"event.id:{finding['event']}")
    assert event["event.type"] == event_type
    delay = (alert["raised"] - event["event.received"]) / 1e6
    print(f"{technology}: alert {delay:.2f} s after its event was received")
    assert 0 <= delay <= 5
    because: dict[str, str] = finding["because"]
    return because
