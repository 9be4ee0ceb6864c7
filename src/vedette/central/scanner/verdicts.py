"""What an engine said of a stored object -> what is kept of it, and what becomes an alert. Pure."""

import msgspec

from vedette.central.scanner.ruleset import is_for
from vedette.engines.objects import Status, Verdict
from vedette.schema.alerts import NewFinding, Severity, Technology
from vedette.schema.objects import ObjectFinding, StoredObject

ADVICE = "Find the hosts that have a file of this SHA-256: vedette hunt 'sha256:{sha256}'"


def noted(about: StoredObject, verdict: Verdict, *, rules: str) -> StoredObject:
    """Give an object with what was said of it; rules of another tenant say nothing here."""
    mine = [one for one in verdict.findings if is_for(one.record_id, about.tenant)]
    found = [ObjectFinding(rule=one.record_id, category=one.category, because=one.because) for one in mine]
    status = verdict.status
    if status is Status.DETECTED and not mine:
        status = Status.CLEAN
    return msgspec.structs.replace(about, status=status.value, reason=verdict.reason, findings=found, rules=rules)


def findings(about: StoredObject, *, now: int) -> list[NewFinding]:
    """Give the findings for alerts: of one rule in one object once, however often it is scanned."""
    what = about.name or about.sha256
    return [
        NewFinding(
            tenant=about.tenant,
            technology=Technology.YARA,
            rule=one.rule,
            title=f"{one.category} was found in Storage: {what}"[:500],
            severity=Severity.HIGH,
            host=about.host,
            event=f"object:{about.sha256}",
            time=now,
            because={"file.sha256": about.sha256, "file.name": about.name, "source": about.source, **one.because},
            advice=ADVICE.format(sha256=about.sha256),
        )
        for one in about.findings
    ]
