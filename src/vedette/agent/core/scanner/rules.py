"""Keeps the YARA rules of this host compiled: the product's own and those in a folder."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from vedette.engines.yara.apart import compile_apart
from vedette.engines.yara.compiled import Compiled, library_version
from vedette.engines.yara.ruleset import RuleSet, builtin, from_folder, joined, rule_paths
from vedette.runtime.errors import ConfigError
from vedette.runtime.files import write_atomic

log = logging.getLogger(__name__)

COMPILED = ".compiled"
"""Name, in the folder, of the last compiled set: a restart need not compile again."""

Marks = tuple[tuple[str, int, int], ...]


class RuleKeeper:
    """Compiles in a thread when files of the folder change; what was compiled stays in use until then."""

    def __init__(self, folder: Path, make: Callable[[RuleSet], Compiled] = compile_apart) -> None:
        self._folder, self._make = folder, make
        self._marks: Marks | None = None
        self._thread: threading.Thread | None = None
        self._made: Compiled | None = None
        self.current: Compiled | None = None
        self.problem = ""

    def refresh(self) -> bool:
        """Look whether files changed and whether a compilation is done; True when `current` is another one."""
        if self._thread is not None:
            if self._thread.is_alive():
                return False
            self._thread = None
            made, self._made = self._made, None
            if made is None:
                return False
            self.current = made
            log.info("yara rules version=%s rules=%d problems=%d", made.version, made.count, len(made.problems))
            return True
        marks = self._look()
        if marks != self._marks:
            self._marks = marks
            self._thread = threading.Thread(target=self._compile, name="yara-rules", daemon=True)
            self._thread.start()
        return False

    def is_busy(self) -> bool:
        """Whether rules are being compiled."""
        return self._thread is not None

    def _look(self) -> Marks:
        marks: list[tuple[str, int, int]] = []
        for path in rule_paths(self._folder):
            try:
                facts = path.stat()
            except OSError:
                continue
            marks.append((str(path), facts.st_mtime_ns, facts.st_size))
        return tuple(marks)

    def _compile(self) -> None:
        try:
            ruleset = joined(builtin(), from_folder(self._folder))
            kept = self._kept()
            if kept is not None and kept.version == ruleset.version and kept.compiler == library_version():
                self._made = kept
            else:
                self._made = self._make(ruleset)
                self._keep(self._made)
            self.problem = ""
        except (ConfigError, OSError) as error:
            self.problem = str(error)
            log.warning("yara rules cannot be used problem=%s", error)

    def _kept(self) -> Compiled | None:
        try:
            return msgspec.msgpack.decode((self._folder / COMPILED).read_bytes(), type=Compiled)
        except (OSError, msgspec.MsgspecError):
            return None

    def _keep(self, compiled: Compiled) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_atomic(self._folder / COMPILED, msgspec.msgpack.encode(compiled))
        except OSError as error:
            log.warning("compiled yara rules not kept problem=%s", error)
