"""Runs a command in a guest: its output and exit code. No network, no disk; the guest ends with the command."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.vm.image import ROOT_IN_GUEST, build
from tests.vm.packages import BUILD, Kernel, Qemu, UnavailableError, kernel, qemu

MEMORY = "1024"
COMMAND_LINE_LIMIT = 2048
"""Bytes; what the kernel takes."""


class Outcome(NamedTuple):
    """What a guest did."""

    code: int
    output: str
    seconds: float


class Guest:
    """A kernel with its file system, ready to be started any number of times."""

    def __init__(self, series: str) -> None:
        if os.uname().machine != "x86_64":
            raise UnavailableError("the guests are made for x86-64")
        self._kernel: Kernel = kernel(series)
        self._qemu: Qemu = qemu()
        self._initrd = BUILD / f"initrd-{series}"
        build(self._initrd, self._kernel.modules)

    def run(self, *command: str, timeout: float, environment: dict[str, str] | None = None) -> Outcome:
        """Run `command` in a fresh guest. Raises TimeoutError after `timeout` seconds, with what it said so far."""
        variables = {
            "PATH": "/usr/bin:/usr/sbin", "HOME": "/root", "PYTHONPATH": f"/site:{ROOT_IN_GUEST}/src",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
        } | (environment or {})  # fmt: skip
        order = {"command": command, "environment": variables, "folder": ROOT_IN_GUEST}
        encoded = base64.b64encode(json.dumps(order).encode()).decode()
        line = f"console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init ORDER={encoded}"
        if len(line) >= COMMAND_LINE_LIMIT:
            raise ValueError("the command is too long for a kernel's command line")
        with tempfile.TemporaryDirectory() as folder:
            return self._start(line, Path(folder), timeout)

    def _start(self, line: str, folder: Path, timeout: float) -> Outcome:
        console, output = folder / "console", folder / "output"
        began = time.monotonic()
        arguments = [
            str(self._qemu.program), *self._qemu.arguments, "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", MEMORY,
            "-display", "none", "-nodefaults", "-no-reboot", "-nic", "none", "-kernel", str(self._kernel.image),
            "-initrd", str(self._initrd), "-append", line, "-serial", f"file:{console}", "-serial", f"file:{output}",
        ]  # fmt: skip
        with subprocess.Popen(
            arguments,
            env=os.environ | self._qemu.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise TimeoutError(f"{timeout} s are over: {_tail(console)}\n{_tail(output)}") from None
        text = output.read_text(errors="replace") if output.exists() else ""
        found = re.search(r"\nEXIT=(-?\d+)\n$", text)
        if found is None:
            raise RuntimeError(f"the guest ended without an answer: {said}\n{_tail(console)}\n{_tail(output)}")
        return Outcome(int(found[1]), text[: found.start()], time.monotonic() - began)


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-4000:] if path.exists() else ""


def main(series: str, *command: str) -> int:
    """Run a command in a guest and show what it says: `python -m tests.vm.guest SERIES COMMAND...`."""
    outcome = Guest(series).run(*command, timeout=240)
    print(outcome.output)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
