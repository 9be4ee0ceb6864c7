"""A Central Node is backed up while agents send, lost, restored, and goes on as if it had been away."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from tests.conftest import Deployment, until
from tests.system.fleet import join, stored

pytestmark = pytest.mark.slow


def test_a_restored_node_has_all_that_was_acknowledged_once_and_knows_its_agents(
    make_deployment: Callable[[], Deployment],
) -> None:
    deployment = make_deployment()
    data, kept = deployment.root / "central", deployment.root / "backup"
    deployment.start_central()
    fleet = join(deployment, 3, rate=200, batch=20)
    members = fleet.members
    fleet.start()
    until(lambda: all(m.acknowledged > 200 for m in members), seconds=60, what="receipts", alive=deployment.alive)

    before = [member.acknowledged for member in members]
    done = deployment.vedette("central", "backup", str(kept), "--data", str(data), "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["files"] > 20
    assert told["paused"] < 10
    after = [member.acknowledged for member in members]
    until(
        lambda: all(member.acknowledged > last + 100 for member, last in zip(members, after, strict=True)),
        seconds=60, what="further receipts", alive=deployment.alive,
    )  # fmt: skip
    deployment.stop("central", how=signal.SIGKILL)
    lost = [member.acknowledged for member in members]
    data.rename(deployment.root / "lost")

    deployment.vedette("central", "restore", str(kept), "--data", str(data))
    deployment.start_central()
    until(
        lambda: all(member.acknowledged > last + 20 for member, last in zip(members, lost, strict=True)),
        seconds=60, what="receipts of the restored node", alive=deployment.alive,
    )  # fmt: skip
    fleet.stop()
    fleet.join()
    assert not any(member.failed for member in members)

    def settled() -> bool:
        rows = deployment.json_lines("ledger")
        return len(rows) == 3 and all(row["received"] == row["stored"] and not row["dead_lettered"] for row in rows)

    until(settled, seconds=60, every=1, what="received = stored", alive=deployment.alive)
    for row in deployment.json_lines("ledger"):
        (number,) = [n for n, member in enumerate(members) if member.identity.agent == row["host"]]
        member = members[number]
        found = stored(data, row["host"], member.epoch, before[number])
        assert found.up_to == before[number], "what had a receipt before the backup began is there"
        assert found.rows == found.numbers == row["stored"]
        assert row["sent"] == member.acknowledged
        assert row["received"] < row["sent"], "what came after the backup and was lost shows as not received"
    assert deployment.vedette("ledger", "--check", check=False).returncode == 0
