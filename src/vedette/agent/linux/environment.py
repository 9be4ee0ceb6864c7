"""The environment of a process as a map, without the values of secrets."""

import fnmatch
import re

from vedette.agent.linux.secrets import REDACTED, redacted
from vedette.probes.records import text

KEPT = 512
SCRIPTS_KEPT = 64
MOST_VARIABLES = 4096
"""What the contract allows in one map."""


class Environments:
    """Makes one shared map for each distinct environment: most processes inherit theirs unchanged."""

    def __init__(self, redact: tuple[str, ...], *, keep: bool = True) -> None:
        self._known: dict[bytes, dict[str, str]] = {}
        self._scripts: dict[str, str] = {}
        self.apply(redact, keep=keep)

    def apply(self, redact: tuple[str, ...], *, keep: bool) -> None:
        """Take other rules for what follows; what was read already is for `hide`."""
        self._keep = keep
        self._secret = re.compile("|".join(fnmatch.translate(name.lower()) for name in redact) or r"(?!)")
        self._literals = tuple(map(_longest_literal, redact))
        self._known.clear()
        self._scripts.clear()

    def hide(self, variables: dict[str, str]) -> None:
        """Replace in place what the rules do not allow any more: running processes share this map."""
        for name in list(variables):
            if not self._keep or self._secret.match(name.lower()):
                variables[name] = REDACTED

    def redacted(self, script: str) -> str:
        """Give a script, or a line of one, without the values of secrets."""
        plain = script.lower().replace("-", "_")
        if not any(literal in plain for literal in self._literals):
            return script  # most have no secrets: 10 us instead of 300
        known = self._scripts.get(script)
        if known is None:
            if len(self._scripts) >= SCRIPTS_KEPT:
                self._scripts.clear()
            known = self._scripts[script] = redacted(script, lambda name: self._secret.match(name) is not None)
        return known

    def of(self, raw: bytes) -> dict[str, str] | None:
        """Give the map of `raw` (`NAME=value` texts, each ended by NUL); None when environments are not kept."""
        if not self._keep:
            return None
        known = self._known.get(raw)
        if known is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            known = self._known[raw] = self._parse(raw)
        return known

    def _parse(self, raw: bytes) -> dict[str, str]:
        variables: dict[str, str] = {}
        for entry in text(raw).split("\0")[:MOST_VARIABLES]:
            name, separator, value = entry.partition("=")
            if separator and name:
                variables[name] = REDACTED if self._secret.match(name.lower()) else value
        return variables


def _longest_literal(pattern: str) -> str:
    """Give a text that every name which matches a shell pattern contains."""
    return max(re.split(r"\[.*?\]|[*?\[]", pattern.lower()), key=len).replace("-", "_")
