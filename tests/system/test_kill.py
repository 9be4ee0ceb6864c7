"""Promise 1: kill -9 of any process at any moment loses nothing that was numbered, and stores nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Deployment, until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]
ROUNDS = 20
PARTS = ("store", "ingest", "pipeline-0", "api", "central", "agent")

LOAD = r"""
i=0
while [ $i -lt 1000000 ]; do
  i=$((i+1)); f="$1/f$i"
  echo "$i" > "$f"; /bin/true "$i"; mv "$f" "$f.x"; rm -f "$f.x"
done
"""


def ledger(deployment: Deployment) -> list[dict[str, Any]]:
    return deployment.json_lines("ledger")


def kill(deployment: Deployment, part: str) -> None:
    """End one process at once, by its pid; what it does not come back from by itself is started again."""
    if part in deployment.processes:
        deployment.stop(part, how=signal.SIGKILL)
        if part == "agent":
            deployment.start_agent()
        else:
            deployment.start_central()
        return
    pid = int((deployment.root / "central" / "run" / f"{part}.pid").read_text())
    os.kill(pid, signal.SIGKILL)


def test_twenty_kills_lose_nothing_and_store_nothing_twice(
    make_deployment: Callable[[], Deployment], tmp_path: Path
) -> None:
    deployment = make_deployment()
    deployment.start_central()
    deployment.enrol()
    deployment.start_agent()
    deployment.wait_for("event.type:*", seconds=60)
    load = subprocess.Popen(["/bin/sh", "-c", LOAD, "load", str(tmp_path)])
    chance = random.Random(ROUNDS)
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.5, 2.5))
            kill(deployment, chance.choice(PARTS))
    finally:
        load.kill()
        load.wait()

    deployment.wait_for_api()
    deployment.stop("agent")  # it sends what it has, within a few seconds
    unsettled: list[dict[str, Any]] = []

    def settled() -> bool:
        rows = ledger(deployment)
        unsettled[:] = [row for row in rows if not row["sent"] == row["received"] == row["stored"]]
        return bool(rows) and not unsettled

    try:
        until(settled, seconds=60, every=1, what="sent = received = stored", alive=deployment.alive)
    finally:
        print(unsettled, deployment.log("central")[-3000:], deployment.log("agent")[-3000:])
    rows = ledger(deployment)
    assert sum(row["received"] for row in rows) > 1000
    assert all(not row["gaps"] and not row["dead_lettered"] for row in rows)
    for row in rows:
        assert stored_once(deployment, row["host"], row["epoch"]) == (row["received"], row["received"], row["sent"])


def stored_once(deployment: Deployment, host: str, epoch: str) -> tuple[int, int, int]:
    """Ask the store itself: rows, different sequence numbers, and the highest, of one stream."""
    from vedette.store.events import EventStore

    password = (deployment.root / "central" / "run" / "store-password").read_text().strip()
    store = EventStore(f"http://127.0.0.1:{deployment.ports['store']}", password)
    sql = (
        "SELECT count(), uniqExact(`event.sequence`), max(`event.sequence`) FROM event "
        "WHERE `host.id` = {host:String} AND `event.epoch` = {epoch:String}"
    )
    (found,) = store.query(sql, {"host": host, "epoch": epoch})
    count, distinct, highest = found
    return int(count), int(distinct), int(highest)
