"""Cost of Windows records: EVTX files and JSON lines -> events, reading and parsing included; one core, CPU time.

The real logs are those of VEDETTE_SHARED_DATA (EVTX-to-MITRE-Attack and Mordor); without them only the made records
are measured: starts told by Sysmon of which no value occurs twice, the worst case for what is remembered.
"""

import io
import json
import os
import resource
import statistics
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from vedette.normalise.windows import Normaliser, Tally, json_lines, read

ROUNDS = 3
MADE = 50_000
DATA = Path(os.environ.get("VEDETTE_SHARED_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
LARGEST_MEMBER = 40_000_000
"""Bytes of an archive's member that is held in memory."""


def rate(run: Callable[[], int]) -> float:
    """Give records a second of CPU, the median of the rounds."""
    rates = []
    for _ in range(ROUNDS):
        began = time.process_time()
        count = run()
        rates.append(count / (time.process_time() - began))
    return statistics.median(rates)


def report(name: str, value: float, *, target: int | None, how: str) -> None:
    """Print one line."""
    print(json.dumps({
        "name": name, "value": round(value), "unit": "records/s", "target": target,
        "peer": "python-evtx 0.8.1, parsing alone" if "evtx" in name else None,
        "peer_value": "89" if "evtx" in name else None, "how": how,
    }))  # fmt: skip


def evtx() -> None:
    """EVTX files of attacks, most of them of the audit log."""
    archive = DATA / "evtx" / "evtx-to-mitre-attack.tar.xz"
    if not archive.exists():
        return
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        files = sorted(Path(folder).rglob("*.evtx"))
        tally = Tally()

        def run() -> int:
            return sum(1 for path in files for _ in read(path, Normaliser(), tally))

        value = rate(run)
        lost = sum(tally.skipped.values())
        how = f"{tally.records // ROUNDS} records of {len(files)} EVTX files -> events, {lost} skipped"
        report("windows_evtx_to_events", value, target=25_000, how=how)


def mordor() -> Iterator[bytes]:
    """Give the JSON lines of the archives, those that fit in memory."""
    for archive in sorted((DATA / "mordor").rglob("windows/**/*.zip")):
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                wanted = member.filename.endswith(".json") and not member.filename.startswith("__")
                if wanted and member.file_size <= LARGEST_MEMBER:
                    yield packed.read(member)


def lines() -> None:
    """JSON lines of whole laboratories, most of them Sysmon's."""
    records, seconds, skipped = 0, 0.0, 0
    for content in mordor():
        tally, normaliser = Tally(), Normaliser()
        began = time.process_time()
        for record in json_lines.records(io.BytesIO(content), tally):
            normaliser.event(record)
        seconds += time.process_time() - began
        records += tally.records
        skipped += sum(tally.skipped.values())
    if records:
        how = f"{records} records of the Mordor archives, {skipped} skipped; peak memory {peak():.0f} MiB with the file"
        report("windows_json_lines_to_events", records / seconds, target=25_000, how=how)


def peak() -> float:
    """MiB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def made() -> None:
    """Records of which no value occurs twice."""
    content = b"\n".join(_start(number) for number in range(MADE))

    def run() -> int:
        normaliser, tally = Normaliser(), Tally()
        for record in json_lines.records(io.BytesIO(content), tally):
            normaliser.event(record)
        return tally.records

    how = f"{MADE} starts told by Sysmon, winlogbeat's JSON lines, every value unique"
    report("windows_unique_records", rate(run), target=10_000, how=how)


def _start(number: int) -> bytes:
    digest = f"{number:064x}"
    return json.dumps({
        "@timestamp": "2026-11-01T10:00:00.5Z",
        "winlog": {
            "provider_name": "Microsoft-Windows-Sysmon", "event_id": "1", "record_id": number,
            "channel": "Microsoft-Windows-Sysmon/Operational", "computer_name": "ws1", "process": {"pid": 4},
            "event_data": {
                "UtcTime": "2026-11-01 10:00:00.123", "ProcessGuid": f"{{00000000-0000-0001-0001-{number:012x}}}",
                "ProcessId": str(number), "Image": f"C:\\T\\{number}.exe", "CommandLine": f"{number}.exe -x {number}",
                "CurrentDirectory": "C:\\T\\", "User": f"CORP\\u{number}", "LogonId": hex(number),
                "TerminalSessionId": "1", "IntegrityLevel": "High", "FileVersion": "1", "OriginalFileName": f"{number}",
                "Hashes": f"MD5={digest[32:]},SHA256={digest}", "ParentProcessId": str(number + 1),
                "ParentProcessGuid": f"{{00000000-0000-0001-0000-{number:012x}}}",
                "ParentImage": f"C:\\P\\{number}.exe", "ParentCommandLine": f"{number}",
            },
        },
    }).encode()  # fmt: skip


def main() -> None:
    """Run all."""
    evtx()
    lines()
    made()


if __name__ == "__main__":
    main()
