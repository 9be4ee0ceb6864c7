"""Scans bytes with a compiled rule set."""

import io
import math

import yara_x

from vedette.engines.encryption import is_encrypted
from vedette.engines.objects import About, Finding, Reason, Status, Verdict, not_scanned
from vedette.engines.yara.compiled import Compiled, library_version
from vedette.engines.yara.metadata import threat_name
from vedette.runtime.errors import ConfigError

NAME = "yara"
MOST_FINDINGS = 16
"""Rules reported of one object; more say nothing new."""
MOST_PATTERNS = 8
SHOWN = 32
"""Bytes of a match that a finding quotes, in hex."""


class YaraEngine:
    """Scans with one compiled set. Only the thread that made it may use it: the library insists."""

    def __init__(self, compiled: Compiled, *, seconds: float = 20.0) -> None:
        if compiled.compiler != library_version():
            raise ConfigError(f"these rules were compiled by yara-x {compiled.compiler}, not {library_version()}")
        try:
            rules = yara_x.Rules.deserialize_from(io.BytesIO(compiled.rules))
        except Exception as error:  # the library has no class of its own for this
            raise ConfigError(f"compiled YARA rules cannot be read: {error}") from error
        self._scanner = yara_x.Scanner(rules)
        self._scanner.set_timeout(max(1, math.ceil(seconds)))
        self._scanner.max_matches_per_pattern(64)
        self._db_time = compiled.released

    @property
    def name(self) -> str:
        """Stable name."""
        return NAME

    def scan(self, data: bytes, about: About) -> Verdict:
        """Look at a whole object."""
        scanner = self._scanner
        for name, value in (
            ("filename", about.name),
            ("filepath", about.path),
            ("extension", about.extension),
            ("filetype", about.filetype),
            ("owner", about.owner),
        ):
            scanner.set_global(name, value)
        try:
            results = scanner.scan(data)
        except yara_x.TimeoutError:
            return not_scanned(NAME, Reason.TIMED_OUT, db_time=self._db_time)
        except yara_x.ScanError as error:
            return not_scanned(NAME, Reason.ENGINE_FAILED, str(error), db_time=self._db_time)
        findings = tuple(_finding(rule, data) for rule in results.matching_rules[:MOST_FINDINGS])
        if findings:
            return Verdict(engine=NAME, status=Status.DETECTED, findings=findings, db_time=self._db_time)
        if is_encrypted(data):
            return not_scanned(NAME, Reason.ENCRYPTED, db_time=self._db_time)
        return Verdict(engine=NAME, status=Status.CLEAN, db_time=self._db_time)


def warm_up() -> None:
    """Have the library load whatever it loads at its first scan, while files can still be opened."""
    imports = "".join(f'import "{name}"\n' for name in yara_x.module_names())  # type: ignore[attr-defined] # its stubs leave it out
    compiler = yara_x.Compiler()
    compiler.add_source(f"{imports}rule warm {{ condition: true }}")
    yara_x.Scanner(compiler.build()).scan(b"\x7fELF")
    library_version()


def _finding(rule: yara_x.Rule, data: bytes) -> Finding:
    because: dict[str, str] = {}
    for pattern in rule.patterns:
        for match in pattern.matches[:1]:
            shown = data[match.offset : match.offset + min(match.length, SHOWN)].hex()
            because[pattern.identifier] = f"at {match.offset}: {shown}"
        if len(because) >= MOST_PATTERNS:
            break
    return Finding(
        record_id=f"{rule.namespace}:{rule.identifier}"[:1024],
        category=threat_name(rule.identifier, dict(rule.metadata)),
        because=because,
    )
