"""The scene of the endpoint protection rows: harmless objects that rules know, written and run by processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + "EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!$H+H*")
"""The test string in two parts, so that no file of the repository holds it."""
THREAT = "Test.Vedette.Marked"
RULE = """
rule Marked_{mark}
{{
    meta:
        threat = "{threat}"
    strings:
        $mark = "marked-{mark}"
    condition:
        $mark
}}
"""
WRITER = "import sys; open(sys.argv[1], 'wb').write(bytes.fromhex(sys.argv[2]))"
LOCKED_ZIP = b"PK\x03\x04\x14\x00\x01\x00" + b"\0" * 60
"""The head of an archive whose first member has a password."""


@dataclass
class EppScene:
    """What is written and run; `mark` is in every name. `rule` lies among the agent's rules before it starts."""

    folder: Path
    mark: str
    rule_released: int
    """Time of the rule file, microseconds UTC: the newest of the set."""
    limit: int = 64 << 20
    truth: dict[str, Any] = field(default_factory=dict)

    def place_rule(self, agent: Path) -> None:
        """Give the agent a rule of our own; it has no date, so the file's counts."""
        path = agent / "yara" / "own.yar"
        path.parent.mkdir(exist_ok=True)
        path.write_text(RULE.format(mark=self.mark, threat=THREAT))
        os.utime(path, ns=(self.rule_released * 1000, self.rule_released * 1000))

    def play(self) -> None:
        """Do everything once."""
        self.truth["eicar"] = self.write_eicar()
        self.truth["locked"] = self._write(f"locked-{self.mark}.zip", LOCKED_ZIP)
        self.truth["program"] = self._run()
        self.truth["large"] = self._too_large()

    def write_eicar(self) -> dict[str, Any]:
        """Have a process write the test file."""
        return self._write(f"eicar-{self.mark}.com", "".join(EICAR).encode())

    def _write(self, name: str, data: bytes) -> dict[str, Any]:
        path = self.folder / name
        command = [sys.executable, "-c", WRITER, str(path), data.hex()]
        return self._done(command, path)

    def _run(self) -> dict[str, Any]:
        """Copy a program, mark the copy, run it."""
        path = self.folder / f"program-{self.mark}"
        script = f"cp /bin/sleep {path} && printf marked-{self.mark} >> {path}"
        subprocess.run(["/bin/sh", "-c", script], check=True)
        return self._done([str(path), "0.5"], path)

    def _too_large(self) -> dict[str, Any]:
        path = self.folder / f"large-{self.mark}"
        return self._done(["/usr/bin/truncate", "-s", str(self.limit + 1), str(path)], path)

    def _done(self, command: list[str], path: Path) -> dict[str, Any]:
        """Run a process to its end; what it was and what its object holds."""
        with subprocess.Popen(command) as process:
            if process.wait():
                raise RuntimeError(f"{command[0]} failed")
        data = path.read_bytes()
        return {
            "path": str(path),
            "md5": hashlib.md5(data).hexdigest(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "pid": process.pid,
            "command": " ".join(command),
        }
