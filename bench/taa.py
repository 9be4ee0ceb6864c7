"""Behaviour rules: events a second on one core, start, a changed rule, memory. CPU time of this process.

Data: the Windows archives of Security-Datasets and SigmaHQ's rules, from the folder VEDETTE_SHARED_DATA; and process
starts of which every text is different, which is what an attacker would send to make detection slow.
"""

import gc
import json
import os
import random
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vedette.cli.replay_events import arrivals_of
from vedette.engines.taa import Loaded, RuleText, Taa, load, read_folder
from vedette.normalise import windows
from vedette.schema.entities import File, FileIdentity, Os, Parent, Process, User
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart
from vedette.wire.merge import Batch, merge

DATA = Path(os.environ.get("VEDETTE_SHARED_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
UNIQUE = 20_000
SEGMENT = 25_000


def line(name: str, value: float, unit: str, *, how: str, target: str = "", **peer: Any) -> None:
    """Print one published number."""
    told = {"name": name, "value": round(value, 3 if value < 10 else 0), "unit": unit, "target": target or None}
    print(json.dumps(told | peer | {"how": how}), flush=True)


def members(folder: Path) -> Iterator[bytes]:
    """Give the JSON lines of every Windows archive."""
    for path in sorted(folder.glob("**/*")):
        if path.name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                yield from (archive.read(name) for name in archive.namelist() if name.endswith(".json"))
        elif path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                for member in archive.getmembers():
                    if member.name.endswith(".json") and (file := archive.extractfile(member)):
                        yield file.read()


def recorded(folder: Path) -> list[Batch]:
    """Batches of 25,000 events: a segment of the spool holds those of many hosts."""
    made: list[Batch] = []
    waiting: list[Event] = []
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        for content in members(folder):
            Path(file.name).write_bytes(content)
            waiting += windows.read(Path(file.name))
            while len(waiting) >= SEGMENT:
                made.append(segment(waiting[:SEGMENT]))
                del waiting[:SEGMENT]
    return [*made, segment(waiting)] if waiting else made


def segment(events: Sequence[Event]) -> Batch:
    """Events over the wire, 1,000 at a time as agents send them, and joined."""
    system = Os(family="windows")
    made = (arrivals_of(list(events[at : at + 1000]), at + 1, system) for at in range(0, len(events), 1000))
    return merge([arrival for some in made for arrival in some])


def different(count: int, draw: random.Random) -> Batch:
    """Process starts that share no text, ordinary in length and with parts of what rules look for."""
    words = (
        "powershell -enc cmd.exe /c whoami rundll32 http:// \\Users\\Public\\ .dll net user schtasks certutil".split()
    )

    def text(parts: int) -> str:
        return " ".join([f"{draw.getrandbits(64):x}", *(draw.choice(words) for _ in range(parts))])

    return segment([
        ProcessStart(
            time=1_760_000_000_000_000 + at,
            user=User(name=text(0), domain=text(0)),
            process=Process(
                pid=at % 60_000, command_line=text(12), working_directory=text(1), integrity="High",
                file=File(path=f"C:\\{text(1)}.exe", name=text(0), original_name=text(0), description=text(1),
                          product=text(1), company=text(1)),
                parent=Parent(file=FileIdentity(path=f"C:\\{text(1)}.exe"), command_line=text(8)),
            ),
        )
        for at in range(count)
    ])  # fmt: skip


def seconds(engine: Taa, of: list[Batch]) -> tuple[float, int]:
    """Give CPU seconds and findings of one pass."""
    gc.collect()
    start = time.process_time()
    found = sum(1 for batch in of for _ in engine.inspect(batch))
    return time.process_time() - start, found


def resident() -> float:
    """Give this process's memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def timed_load(texts: list[RuleText], kept: Path) -> tuple[float, Loaded]:
    """Give CPU seconds of making a set ready."""
    gc.collect()
    start = time.process_time()
    loaded = load(texts, kept=kept)
    return time.process_time() - start, loaded


def main() -> None:
    """Run it."""
    if not DATA.is_dir():
        sys.exit(f"{DATA} is absent: set VEDETTE_SHARED_DATA")
    texts = [text for folder in sorted((DATA / "sigma").glob("rules*")) for text in read_folder(folder)]
    kept = Path(tempfile.mkdtemp()) / "rules"
    cold, loaded = timed_load(texts, kept)
    rules = f"{len(loaded.compiled.rules)} Sigma rules"
    line("taa.compile", cold, "s", target="<= 20", how=f"CPU; {rules} from YAML, nothing kept")
    start, _ = timed_load(texts, kept)
    line("taa.start", start, "s", target="<= 1", how=f"CPU; {rules} as kept on the disk")
    at = next(number for number, one in enumerate(texts) if b"CommandLine|contains:" in one.text)
    changed = [*texts]
    changed[at] = RuleText(
        texts[at].where, texts[at].text.replace(b"contains:", b"contains:\n            - brandnew", 1)
    )
    one, _ = timed_load(changed, kept)
    line("taa.one_rule", one, "s", target="<= 1", how="CPU; the same with one rule changed")
    data = recorded(DATA / "mordor")
    unique = different(UNIQUE, random.Random(1))
    loaded = load(texts, kept=kept)
    engine = Taa(loaded.compiled)
    before = resident()
    events = sum(batch.rows for batch in data)
    took, found = seconds(engine, data)
    peer = {"peer": "Zircolite 3.7 / rsigma (published)", "peer_value": "840 / 19,400-29,800"}
    how = f"CPU, one core; {events:,} recorded Windows events, {rules}, {found:,} findings"
    line("taa.cold", events / took, "events/s", target=">= 100,000", how=how + "; nothing seen before", **peer)
    took, again = seconds(engine, data)
    if again != found:
        sys.exit(f"the second pass found {again}, the first {found}")
    line("taa.warm", events / took, "events/s", target=">= 200,000", how=how + "; seen before")
    took, _ = seconds(engine, [unique])
    line("taa.unique", UNIQUE / took, "events/s", target=">= 10,000", how="CPU; process starts that share no text")
    for number in range(5):
        seconds(engine, [different(UNIQUE, random.Random(number + 2))])
    rules_memory = _rules_memory(texts, kept)
    line("taa.memory", rules_memory + resident() - before, "MB", target="<= 300",
         how="compiled rules, and what the engine remembers after 100,000 more events that share no text")  # fmt: skip


def _rules_memory(texts: list[RuleText], kept: Path) -> float:
    """Give what a second compiled set takes."""
    gc.collect()
    before = resident()
    loaded = load(texts, kept=kept)
    used = resident() - before
    return used if loaded.compiled.rules else 0.0


if __name__ == "__main__":
    main()
