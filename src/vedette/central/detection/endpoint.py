"""What agents themselves detected and stopped: `epp_detect`, `process_block`, `file_block` become findings."""

from collections.abc import Iterator

from vedette.central.detection.rows import Row
from vedette.engines.events import Finding, RuleFacts
from vedette.schema.alerts import Technology
from vedette.schema.events import tag
from vedette.schema.events.protection import EppDetect, FileBlock, ProcessBlock
from vedette.wire.merge import Batch

SHOWN = {
    tag(EppDetect): (
        "detect.engine", "detect.result", "detect.category", "detect.record_id", "detect.object_name", "detect.mode",
        "detect.object_sha256", "file.path", "file.sha256", "process.file.path", "process.command_line",
    ),
    tag(ProcessBlock): (
        "prevention.rule_id", "prevention.method", "file.path", "file.sha256", "blocked.command_line",
        "process.file.path",
    ),
    tag(FileBlock): (
        "prevention.rule_id", "prevention.method", "file.path", "file.sha256", "process.file.path",
        "process.command_line",
    ),
}  # fmt: skip
"""Event type -> the fields that its finding shows."""
_ABOUT = {
    tag(ProcessBlock): ("process-block", "A program that a prevention rule forbids was stopped"),
    tag(FileBlock): ("file-block", "A file that a prevention rule forbids was not opened"),
}
_SHOWN_CHARACTERS = 1024
_KEPT = 10_000
"""Names from hosts that are remembered between batches."""
_ADVICE = {
    tag(EppDetect): (
        "See what brought the file to the host (the event's process and its parents) and whether other hosts have it.",
        "If the host's engine has not removed it, quarantine the file.",
    ),
    tag(ProcessBlock): ("See who tried, and from where the file came; the host may hold more of it.",),
    tag(FileBlock): ("See who tried, and from where the file came; the host may hold more of it.",),
}


class EndpointDetections:
    """Findings of the engines on hosts, of one technology: `yara` for YARA rules, `am` for all else."""

    def __init__(self, technology: Technology) -> None:
        self._technology = technology
        self._facts: dict[str, RuleFacts] = {}

    @property
    def technology(self) -> Technology:
        """Whose findings these are."""
        return self._technology

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        """Give a finding for each event of those types."""
        if len(self._facts) > _KEPT:
            self._facts.clear()
        for kind, columns in SHOWN.items():
            rows = batch.types.get(kind, slice(0, 0))
            for number in range(rows.start, rows.stop):
                row = Row(batch, number)
                yara = row.text("detect.engine") == Technology.YARA.value
                if yara is not (self._technology is Technology.YARA):
                    continue
                values = {name: row.text(name)[:_SHOWN_CHARACTERS] for name in columns}
                rule = self._rule(kind, row)
                yield Finding(rule=rule, row=number, because={name: value for name, value in values.items() if value})

    def facts(self, rule: str) -> RuleFacts:
        """Say what was detected."""
        return self._facts[rule]

    def _rule(self, kind: str, row: Row) -> str:
        if kind == tag(EppDetect):
            category = row.text("detect.category") or row.text("detect.record_id") or "unnamed"
            rule = f"{row.text('detect.engine') or 'unknown'}:{category}"[:500]
            title = f"{category} was found"[:500]
        else:
            rule, title = _ABOUT[kind]
            if named := row.text("prevention.rule_id"):
                rule = f"{rule}:{named}"[:500]
        self._facts[rule] = RuleFacts(id=rule, title=title, level="high", advice=_ADVICE[kind])
        return rule
