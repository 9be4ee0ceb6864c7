"""A Central Node whose events are on three stores, of which one is killed while agents send and comes back."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest
from tests.conftest import Deployment, until
from tests.system.fleet import STREAM, Stored, join

from vedette.central.layout import Layout
from vedette.central.store_link import open_at
from vedette.query.merge import Merge

pytestmark = pytest.mark.slow
PASSWORD = "only-on-loopback"
NAMES = ("store-0", "store-1", "store-2")


class Sharded(Deployment):
    """A Central Node without a store of its own, and three stores."""

    def prepare(self) -> None:
        """Start the stores, each on a port that it keeps, and write the node's settings."""
        self.layout = Layout(self.root / "central")
        self.layout.create()
        self.layout.remote_password.write_text(PASSWORD)
        self.store_ports = dict.fromkeys(NAMES, 0)
        for name in NAMES:
            self.start_store(name)
        for name in NAMES:
            self.wait_for_store(name)
        self.url = ",".join(f"http://127.0.0.1:{port}" for port in self.store_ports.values())
        self.layout.settings_file.write_text(
            f'store_url = "{self.url}"\nroles = ["ingest", "pipeline", "api", "upkeep"]\n'
        )

    def start_store(self, name: str) -> None:
        """Start a store, again on the port that it had."""
        ready = self.root / name / "run" / "store.ready"
        ready.unlink(missing_ok=True)
        self.start(
            name,
            command=[
                sys.executable, "-m", "vedette.store.server", "--data", str(self.root / name),
                "--port", str(self.store_ports[name]), "--password-file", str(self.layout.remote_password),
            ],
        )  # fmt: skip

    def wait_for_store(self, name: str) -> None:
        """Wait until a store answers, and remember its port."""
        ready = self.root / name / "run" / "store.ready"
        self.store_ports[name] = int(
            until(lambda: ready.exists() and ready.read_text(), seconds=60, what=name, alive=self.alive)
        )

    def stored(self, host: str, epoch: str, last: int) -> Stored:
        """Ask the stores what they have of a stream, together."""
        store = open_at(self.url, PASSWORD)
        bound = {"host": host, "epoch": epoch, "last": last}
        rows = store.query(STREAM, bound, merge=Merge(fold=("sum", "sum", "sum")))
        store.close()
        return Stored(*rows[0])


def test_one_of_three_stores_is_killed_under_load_and_nothing_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    deployment = Sharded(tmp_path_factory.mktemp("deployment"))
    try:
        deployment.prepare()
        deployment.start_central()
        fleet = join(deployment, 8, rate=20, batch=20)
        fleet.start()
        lose_a_store(deployment, [member.identity.agent for member in fleet.members])
        fleet.stop()
        fleet.join()
        assert not any(member.failed for member in fleet.members)

        def settled() -> bool:
            rows = deployment.json_lines("ledger")
            return len(rows) == 8 and all(row["sent"] == row["received"] == row["stored"] for row in rows)

        until(settled, seconds=90, every=1, what="sent = received = stored", alive=deployment.alive)
        for member in fleet.members:
            found = deployment.stored(member.identity.agent, member.epoch, member.acknowledged)
            assert found.rows == found.numbers == found.up_to == member.acknowledged
        assert deployment.vedette("ledger", "--check", check=False).returncode == 0
    finally:
        deployment.stop_all()


def lose_a_store(deployment: Sharded, agents: list[str]) -> None:
    """Kill one store, see what is told of it, bring it back."""

    def count() -> dict[str, Any]:
        return deployment.json_lines("hunt", "", "--since", "1h", "--count")[0]

    until(lambda: count()["hosts"] == len(agents), seconds=60, what="events of all hosts", alive=deployment.alive)
    before = count()
    assert (before["complete"], before["missing"]) == (True, [])

    deployment.stop("store-1", how=signal.SIGKILL)
    away = f"127.0.0.1:{deployment.store_ports['store-1']}"
    found = count()
    assert (found["complete"], found["missing"], found["reason"]) == (False, [away], "")
    assert 0 < found["hosts"] < len(agents)
    told = deployment.vedette("hunt", "", "--since", "1h", "--limit", "3")
    assert f"partial: {away} of the event store did not answer" in told.stderr
    target = str(deployment.root / "events.jsonl")
    export = deployment.vedette("hunt", "", "--since", "1h", "--export", target, check=False)
    assert export.returncode == 1, export.stderr
    until(
        lambda: len(list(deployment.layout.spool.glob("*.seg"))) >= 3,
        seconds=30, what="segments that wait for the store", alive=deployment.alive,
    )  # fmt: skip

    deployment.start_store("store-1")
    deployment.wait_for_store("store-1")
    until(lambda: count()["complete"], seconds=30, what="whole answers", alive=deployment.alive)
