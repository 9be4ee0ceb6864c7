"""Does harm to a Central Node round after round and sees that no acknowledged event is lost and none is stored twice.

`make soak` runs it (ROUNDS=n, 100 by default; a results file collects up to 1,000), `test_soak.py` runs 30 rounds.
One JSON line a round, then their sum.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests.conftest import Deployment
from tests.system.fleet import join, stored

from vedette.central.layout import Layout
from vedette.fleet.content import Content
from vedette.fleet.member import Member
from vedette.fleet.run import Lines
from vedette.fleet.tally import Tally
from vedette.runtime.clock import now
from vedette.runtime.errors import StoreError
from vedette.store.state import open_state

PARTS = ("store", "ingest", "pipeline-0", "api", "upkeep")
DECK = (
    "ingest", "pipeline-0", "store", "central", "disk", "clock",
    "ingest", "pipeline-0", "store", "agent", "disk and store",
)  # fmt: skip
"""Every so many rounds each of these happens, in another order."""
WHOLE = 1_000
"""Rounds that a results file collects."""
DISK_BYTES = 1 << 30
DAY_SECONDS = 86_400
START_SECONDS = 10.0
"""How long after a kill everything may take to be ready again, on a machine that is not overloaded."""
OVERLOAD = 2 * (os.cpu_count() or 1)
"""Programs that want to run: with more, others take the time."""
READY_SECONDS = 180.0
FOUND_SECONDS = 120.0
"""How long what had a receipt may take to be in the store. What is not there by then is lost."""
BATCH, RATE = 20, 100
CLOCK = str(Path(__file__).parent / "shifted_clock")

LOAD = 'while :; do echo 1 > "$1/f"; mv "$1/f" "$1/g"; rm "$1/g"; sleep 0.2; done'
"""What the real agent sees, beside whatever else happens on this host."""

Stream = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What was done and found. `start`: seconds from the harm's end until all is ready; None = nothing was ended."""

    round: int
    fault: str
    start: float | None
    acknowledged: int
    lost: int
    doubled: int
    seconds: float
    load: float
    """The load average of the last minute."""

    @property
    def whole(self) -> bool:
        """Whether everything is as promised."""
        in_time = self.start is None or self.start <= START_SECONDS or self.load > OVERLOAD
        return in_time and not self.lost and not self.doubled


class Senders:
    """Synthetic agents, a thread each. A batch that was not taken is sent again soon, whatever the server asked for."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(member,), daemon=True) for member in members]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, member: Member) -> None:
        content, lines = Content(BATCH, clock=now, seed=member.number), Lines(1)
        again: float | None = member.due
        while again is not None and not self._stop.wait(min(0.1, max(0.0, again - time.monotonic()))):
            again = member.step(content, lines.open, Tally(), clock=now)
        lines.close()


class Soak:
    """A Central Node on a small disk of its own, synthetic agents and a real one, and what is done to them."""

    def __init__(self, deployment: Deployment, chance: random.Random) -> None:
        self._deployment, self._chance = deployment, chance
        self._data = deployment.root / "central"
        self._clock = deployment.root / "clock"
        self._shifted = False
        self._deck: list[str] = []
        self._killed: dict[str, int] = {}
        self._rounds = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have everything running for the block."""
        self._data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self._data)], check=True)
        seen = self._deployment.root / "seen"
        seen.mkdir()
        try:
            self._deployment.central_environment = {
                "PYTHONPATH": os.pathsep.join([CLOCK, *filter(None, [os.environ.get("PYTHONPATH")])]),
                "VEDETTE_TEST_CLOCK": str(self._clock),
            }  # fmt: skip
            self._deployment.start_central()
            self._senders = Senders(join(self._deployment, 3, rate=RATE, batch=BATCH).members)
            self._deployment.enrol()
            self._deployment.start_agent()
            self._senders.start()
            self._until_ready()
            self._deployment.start("load", command=["/bin/sh", "-c", LOAD, "load", str(seen)])
            yield
        finally:
            self._deployment.stop_all()
            subprocess.run(["umount", "-l", str(self._data)], check=True)

    def round(self) -> Round:
        """Do one harm and look what is there after it."""
        self._rounds += 1
        began = time.monotonic()
        if not self._deck:
            self._deck = self._chance.sample(DECK, len(DECK))
        fault = self._deck.pop()
        time.sleep(self._chance.uniform(0.0, 0.4))
        start, acknowledged = self._harm(fault)
        lost = self._wait_for(acknowledged)
        return Round(
            round=self._rounds, fault=fault, start=start, acknowledged=sum(acknowledged.values()), lost=lost,
            doubled=self._asked(self._doubled), seconds=round(time.monotonic() - began, 2),
            load=round(os.getloadavg()[0], 1),
        )  # fmt: skip

    def finish(self) -> int:
        """Stop sending; gives how many events are not exactly once in the store and in the ledger at the end."""
        self._senders.stop()
        self._deployment.stop("load", how=signal.SIGKILL)
        self._deployment.stop("agent")
        problem = next((member.failed for member in self._senders.members if member.failed), "")
        if problem:
            raise RuntimeError(f"a batch was refused: {problem}")
        deadline = time.monotonic() + FOUND_SECONDS
        while off := self._asked(self._difference):
            if time.monotonic() > deadline:
                return off
            time.sleep(0.2)
        return 0

    def _harm(self, fault: str) -> tuple[float | None, dict[Stream, int]]:
        """Do it; gives how long the start took, and what had receipts when it was done."""
        if fault in PARTS:
            acknowledged = self._acknowledged()
            self._kill(fault)
            return self._until_ready(), acknowledged
        if fault == "central":
            acknowledged = self._acknowledged()
            self._deployment.stop("central", how=signal.SIGKILL)
            self._forget_ready()
            self._deployment.begin_central()
            return self._until_ready(), acknowledged
        if fault == "agent":
            acknowledged = self._acknowledged()
            self._deployment.stop("agent", how=signal.SIGKILL)
            self._deployment.start_agent()
            return None, acknowledged
        if fault == "clock":
            self._shifted = not self._shifted
            self._clock.write_text(str(DAY_SECONDS * self._shifted))
            time.sleep(0.3)
            return None, self._acknowledged()
        return self._fill_disk(kill="store" if fault != "disk" else "")

    def _fill_disk(self, *, kill: str) -> tuple[float | None, dict[Stream, int]]:
        filler = self._data / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
        time.sleep(self._chance.uniform(0.2, 0.7))
        acknowledged = self._acknowledged()
        if kill:
            self._kill(kill)
            time.sleep(0.3)
        filler.unlink()
        return self._until_ready() if kill else None, acknowledged

    def _kill(self, part: str) -> None:
        pid = self._pid(part)
        self._killed = {part: pid}
        with contextlib.suppress(ProcessLookupError):  # a full disk may have ended the store already
            os.kill(pid, signal.SIGKILL)

    def _forget_ready(self) -> None:
        self._killed = {}
        for path in (self._data / "run").glob("*.ready"):
            path.unlink()

    def _pid(self, part: str) -> int:
        return int((self._data / "run" / f"{part}.pid").read_bytes())

    def _until_ready(self) -> float:
        """Wait until every part is ready; gives the seconds that took."""
        began = time.monotonic()
        while not all(self._is_ready(part) for part in PARTS):
            self._deployment.alive()
            if time.monotonic() > began + READY_SECONDS:
                raise TimeoutError(f"not ready: {[part for part in PARTS if not self._is_ready(part)]}")
            time.sleep(0.02)
        return round(time.monotonic() - began, 2)

    def _is_ready(self, part: str) -> bool:
        try:
            pid = self._pid(part)
        except (FileNotFoundError, ValueError):
            return False
        ready = (self._data / "run" / f"{part}.ready").exists()
        return ready and self._killed.get(part) != pid and Path(f"/proc/{pid}").exists()

    def _acknowledged(self) -> dict[Stream, int]:
        """Give what has receipts: the synthetic agents know it of theirs, the ledger of the real one's."""
        known = {(m.identity.agent, m.epoch): m.acknowledged for m in self._senders.members if m.acknowledged}
        return {stream: received for stream, (_, received, _) in self._ledger().items()} | known

    def _ledger(self) -> dict[Stream, tuple[int, int, int]]:
        """Give what was sent, received and stored of each stream as the ledger has it."""
        state = open_state(Layout(self._data).state_url)
        try:
            with state.read() as db:
                rows = db.execute(text("SELECT agent, epoch, sent_last, received, stored FROM stream"))
                return {(row.agent, row.epoch): (row.sent_last, row.received, row.stored) for row in rows}
        finally:
            state.close()

    def _wait_for(self, acknowledged: dict[Stream, int]) -> int:
        """Wait until all of it is in store and ledger; gives how many events are not."""
        deadline = time.monotonic() + FOUND_SECONDS
        while missing := self._missing(acknowledged):
            if time.monotonic() > deadline:
                return missing
            time.sleep(0.05)
        return 0

    def _asked(self, question: Callable[[], int]) -> int:
        """Give the answer of a store that may be starting anew."""
        deadline = time.monotonic() + FOUND_SECONDS
        while True:
            try:
                return question()
            except StoreError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _missing(self, acknowledged: dict[Stream, int]) -> int:
        ledger, missing = self._ledger(), 0
        numbered = {(member.identity.agent, member.epoch) for member in self._senders.members}
        try:
            for stream, count in acknowledged.items():
                found = stored(self._data, *stream, count)
                there = found.up_to if stream in numbered else found.numbers
                missing += max(0, count - min(there, ledger.get(stream, (0, 0, 0))[2]))
        except StoreError:
            return sum(acknowledged.values())
        return missing

    def _doubled(self) -> int:
        """Count what the store has twice, or more of than the agents have sent."""
        found = {stream: stored(self._data, *stream, 0) for stream in self._ledger()}
        sent = {(member.identity.agent, member.epoch): member.acknowledged + BATCH for member in self._senders.members}
        return sum(
            one.rows - one.numbers + max(0, one.numbers - sent.get(stream, one.numbers))
            for stream, one in found.items()
        )

    def _difference(self) -> int:
        off = 0
        known = self._acknowledged()
        for stream, (sent, received, in_ledger) in self._ledger().items():
            found = stored(self._data, *stream, 0)
            counts = (sent, received, in_ledger, found.rows, found.numbers, known[stream])
            off += max(counts) - min(counts)
        return off


def total(rounds: list[Round]) -> dict[str, Any]:
    """Add up."""
    starts = sorted(one.start for one in rounds if one.start is not None)
    return {
        "rounds": len(rounds),
        "faults": dict(sorted(Counter(one.fault for one in rounds).items())),
        "lost": sum(one.lost for one in rounds),
        "doubled": sum(one.doubled for one in rounds),
        "start_median": starts[len(starts) // 2] if starts else None,
        "start_longest": starts[-1] if starts else None,
        "not_whole": [one.round for one in rounds if not one.whole],
    }


def run(deployment: Deployment, count: int, *, seed: int, tell: Callable[[Round], None]) -> tuple[list[Round], int]:
    """Do so many rounds; gives them, and how many events differ at the end."""
    soak = Soak(deployment, random.Random(seed))
    rounds = []
    with soak.running():
        for _ in range(count):
            rounds.append(soak.round())
            tell(rounds[-1])
        return rounds, soak.finish()


def main() -> int:
    """Run rounds until the results file has enough of them; 1 when a promise did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--results", type=Path, required=True, help="file to which each round is appended")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("the soak mounts a small disk and sees kernel events: run it as root")
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.touch()
    before = [Round(**json.loads(line)) for line in given.results.read_text().splitlines()]

    def tell(one: Round) -> None:
        line = json.dumps(asdict(one))
        print(line, flush=True)
        with given.results.open("a") as file:
            file.write(line + "\n")

    folder = Path(tempfile.mkdtemp(prefix="vedette-soak-"))
    count = max(0, min(given.rounds, WHOLE - len(before)))
    rounds, off = run(Deployment(folder), count, seed=given.seed, tell=tell) if count else ([], 0)
    print(json.dumps(total(before + rounds) | {"differ_at_the_end": off, "seed": given.seed, "logs": str(folder)}))
    return int(off > 0 or not all(one.whole for one in rounds))


if __name__ == "__main__":
    sys.exit(main())
