"""From an IOC file to the alert: a list that is put in use finds what hosts do, and a hunt finds the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Deployment, until

pytestmark = pytest.mark.slow


def test_a_digest_of_a_list_in_use_is_an_alert_when_its_program_starts(
    make_deployment: Callable[[], Deployment], tmp_path: Path
) -> None:
    deployment = make_deployment()
    deployment.start_central()

    def work() -> None:
        fleet = ("bench", "fleet", "--agents", "2", "--rate", "100", "--seconds", "2", "--json")
        deployment.vedette(*fleet, "--keep", str(tmp_path / "fleet"))

    work()
    digest = deployment.json_lines("hunt", "event.type:process_start", "--top", "process.file.sha256")[0]["value"]
    feed = tmp_path / "feed.txt"
    feed.write_text(f"# a test\n{digest}\nother.example\n")
    deployment.vedette("rules", "add", str(feed), "--kind", "ioc")

    def raised() -> list[dict[str, object]]:
        work()
        return deployment.json_lines("alerts", "--technology", "ioc")

    alert = until(raised, seconds=60, what="an alert of the list", alive=deployment.alive)[0]
    finding = deployment.json_lines("alerts", "show", str(alert["id"]))[0]["findings"][0]
    assert digest in finding["because"].values()
    found = deployment.json_lines("hunt", "--ioc", str(feed), "--since", "1h", "--limit", "5000")
    assert finding["event"] in {event["event.id"] for event in found}
