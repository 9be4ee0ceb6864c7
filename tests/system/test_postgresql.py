"""A Central Node whose state is in PostgreSQL: it works as any other, and a server that is killed costs time only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Deployment, until
from tests.postgresql import PostgreSQL, fetch
from tests.system.fleet import join, stored

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgreSQL]:
    fetch()
    own = PostgreSQL(tmp_path / "pg")
    own.start()
    yield own
    own.stop()


def test_kill_9_of_postgresql_loses_nothing_and_the_node_goes_on_by_itself(
    make_deployment: Callable[[], Deployment], server: PostgreSQL
) -> None:
    deployment = make_deployment()
    data = deployment.root / "central"
    data.mkdir()
    (data / "central.toml").write_text(f'state_url = "{server.url()}"\n')
    deployment.start_central()
    assert not (data / "state.sqlite").exists()
    fleet = join(deployment, 3, rate=200, batch=20)
    members = fleet.members
    fleet.start()
    until(lambda: all(m.acknowledged > 200 for m in members), seconds=60, what="receipts", alive=deployment.alive)

    server.kill()
    acknowledged = [member.acknowledged for member in members]
    until(lambda: "ledger could not be" in deployment.log("central"), seconds=30, what="it", alive=deployment.alive)
    refused = deployment.vedette("hosts", "--json", check=False)
    assert (refused.returncode, "cannot answer now" in refused.stderr) == (1, True)
    server.start()
    deployment.wait_for_api()
    until(
        lambda: all(member.acknowledged > last + 200 for member, last in zip(members, acknowledged, strict=True)),
        seconds=60, what="further receipts", alive=deployment.alive,
    )  # fmt: skip
    fleet.stop()
    fleet.join()
    assert not any(member.failed for member in members)

    def settled() -> bool:
        rows = deployment.json_lines("ledger")
        return len(rows) == 3 and all(row["sent"] == row["received"] == row["stored"] for row in rows)

    until(settled, seconds=60, every=1, what="sent = received = stored", alive=deployment.alive)
    for member in members:
        found = stored(data, member.identity.agent, member.epoch, member.acknowledged)
        assert found.rows == found.numbers == found.up_to == member.acknowledged
    assert deployment.vedette("ledger", "--check", check=False).returncode == 0
    assert deployment.vedette("audit", "verify").returncode == 0
    deployment.alive()
