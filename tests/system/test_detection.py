"""From the host to the alert: what an agent finds is in the list within seconds, and is heard of as it comes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Deployment, until

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_a_live_detection_is_an_alert_within_five_seconds_of_its_receipt(
    make_deployment: Callable[[], Deployment], tmp_path: Path
) -> None:
    deployment = make_deployment()
    deployment.start_central()
    deployment.enrol()
    deployment.start_agent()
    deployment.wait_for_agent()
    script = tmp_path / "eicar.com"
    script.write_bytes(EICAR)
    subprocess.run(["/bin/cat", str(script)], check=True, capture_output=True)

    def raised() -> list[dict[str, object]]:
        return [one for one in deployment.json_lines("alerts", "--technology", "yara") if "EICAR" in str(one["title"])]

    (alert,) = until(raised, seconds=60, what="an alert about EICAR", alive=deployment.alive)
    shown = deployment.json_lines("alerts", "show", str(alert["id"]))[0]
    finding = shown["findings"][0]
    assert str(script) in finding["because"]["file.path"]
    (event,) = deployment.wait_for(f"event.id:{finding['event']}")
    assert event["event.type"] == "epp_detect"
    delay = (int(str(alert["raised"])) - event["event.received"]) / 1e6
    print(f"alert {delay:.2f} s after its event was received")
    assert 0 <= delay <= 5
