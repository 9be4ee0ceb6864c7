"""`vedette agent run` as a user starts it, enrolled with a Central Node that cannot be reached."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.core.status import Status, read_status

NOWHERE = "https://127.0.0.1:1"
"""Nobody listens on this port."""
PATIENCE = 60
"""Seconds until it must observe."""
OBSERVING = b"observing mode="
"""What the agent logs when the kernel source observes."""


class WholeAgent:
    """The running agent, its scanner and all its processes. `live`: seconds from its start until it observed."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.live = 0.0

    def __enter__(self) -> Self:
        _enrol(self._data)
        log = self._data / "log"
        began = time.monotonic()
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "agent", "run", "--data", str(self._data)], stderr=file
            )
        while OBSERVING not in log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > began + PATIENCE:
                raise RuntimeError(f"the agent does not observe: {log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.005)
        self.live = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def cpu(self) -> float:
        """CPU seconds so far of all its processes."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._pids())

    def resident(self) -> dict[str, float]:
        """MiB of the agent: now, at most so far, and of the processes that it has started now."""
        agent, *others = self._pids()
        return {
            "agent": _mebibytes(agent, "VmRSS"),
            "peak": _mebibytes(agent, "VmHWM"),
            "others": sum(_mebibytes(pid, "VmRSS") for pid in others),
        }

    def memory(self) -> float:
        """MiB of all its processes, each page once."""
        text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in self._pids())
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024

    def status(self) -> Status:
        """What it last said of itself."""
        found = read_status(self._data)
        if found is None:
            raise RuntimeError("the agent has not said anything yet")
        return found

    def events(self) -> int:
        """Events so far; the status file is up to five seconds old."""
        status = read_status(self._data)
        return 0 if status is None else status.buffer.next

    def _pids(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:  # grows while it is read: children of children
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text(encoding="ascii").split())
        return found


def _mebibytes(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def _enrol(data: Path) -> None:
    """Write the files that an enrolment writes, with a certificate of our own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + dt.timedelta(days=180))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    identity = Identity(server=NOWHERE, agent="0" * 32, tenant="default", group="", ca=pem, settings_key=public)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    IdentityStore(data).save(identity, private, pem)
