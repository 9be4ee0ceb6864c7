"""The YARA rules of the Central Node as one set: each file a namespace named after its tenant."""

from collections.abc import Iterable

from vedette.engines.yara.ruleset import BUILTIN, RuleFile, RuleSet, builtin, joined
from vedette.schema import rules


def ruleset(enabled: Iterable[rules.RuleFile]) -> RuleSet:
    """Give the enabled files together with the product's own."""
    files = (RuleFile(f"{one.tenant}/{one.name}", one.text.encode("utf-8", "replace"), one.changed) for one in enabled)
    return joined(builtin(), RuleSet(tuple(sorted(files, key=lambda file: file.name))))


def is_for(record_id: str, tenant: str) -> bool:
    """Whether a rule that matched is one of this tenant, or the product's own."""
    return record_id.startswith((BUILTIN, f"{tenant}/"))
