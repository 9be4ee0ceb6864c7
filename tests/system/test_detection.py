"""From the host to the alert: what an agent, a rule or the scanner of Storage finds is in the list within seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyzipper
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

    deployment.vedette("storage", "put", str(script))

    def scanned() -> list[dict[str, Any]]:
        return deployment.json_lines("storage", "list", "--status", "detected")

    (stored,) = until(scanned, seconds=60, what="the object is scanned", alive=deployment.alive)
    archive = tmp_path / "eicar.zip"
    deployment.vedette("storage", "get", stored["sha256"], "--output", str(archive), "--password", "test")
    with pyzipper.AESZipFile(archive) as opened:
        assert opened.read(stored["sha256"], pwd=b"test") == EICAR
    raised = deployment.json_lines("alerts", "--technology", "yara")
    assert any("in Storage: eicar.com" in one["title"] for one in raised)


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
