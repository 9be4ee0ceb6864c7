"""What a self-test does on Linux: `python -m vedette.agent.linux.selftest_acts MARKER`, harmless and gone after.

The marker is in the command line of this program, so the agent knows everything that it does.
"""

import contextlib
import socket
import subprocess
import sys
import syslog
import tempfile
import time
from pathlib import Path
from struct import Struct
from typing import Final

from vedette.agent.core.selftest import Check

CHECKS: Final = (
    Check(act="start a program", event="process_start", source="kernel"),
    Check(act="let it end", event="process_stop", source="kernel"),
    Check(act="load a library", event="module_load", source="kernel"),
    Check(act="create a file", event="file_create", source="kernel"),
    Check(act="rename and delete it", event="file_change", source="kernel"),
    Check(act="listen on loopback", event="port_listen", source="kernel"),
    Check(act="connect to it", event="network_connect", source="kernel"),
    Check(act="write an audit record", event="os_log", source="audit", only=True),
    Check(act="write to the system log", event="os_log", source="journald", only=True),
    Check(act="write to the system log", event="os_log", source="auth_log", only=True),
    Check(act="write the EICAR test file", event="epp_detect", source="scanner", only=True),
)
PATIENCE: Final = 30.0
"""Seconds that one act may take."""
LOOK_AT_IT: Final = 4.0
"""Seconds that the test file stays, for the scanner to come by."""
_EICAR: Final = "X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"
"""In parts, so that no scanner takes this file for the test file."""
_NETLINK_AUDIT, _TRUSTED_APP, _REQUEST = 9, 1121, 1
_HEADER = Struct("=IHHII")


def perform(marker: str) -> None:
    """Do everything in a program of its own, whose command line holds `marker`."""
    command = [sys.executable, "-B", "-m", __name__, marker]
    subprocess.run(command, check=True, timeout=PATIENCE, capture_output=True)


def act(marker: str) -> None:
    """Do everything here."""
    subprocess.run(["/bin/sh", "-c", ":", marker], check=True, timeout=PATIENCE)
    _files(marker)
    _network()
    with contextlib.suppress(OSError):  # no right to it, or no audit in this kernel: then the agent says so
        _audit_record(marker)
    syslog.openlog("vedette-selftest", 0, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, f"self-test of the Vedette agent {marker}")
    syslog.closelog()


def _files(marker: str) -> None:
    with tempfile.TemporaryDirectory(prefix=marker, ignore_cleanup_errors=True) as folder:
        before, after = Path(folder, f"{marker}.txt"), Path(folder, f"{marker}.renamed")
        before.write_text("a file of the self-test\n", encoding="ascii")
        before.rename(after)
        after.unlink()
        with contextlib.suppress(OSError):  # another scanner may take it away
            Path(folder, f"{marker}.com").write_text("".join(_EICAR), encoding="ascii")
            time.sleep(LOOK_AT_IT)


def _network() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=PATIENCE),
    ):
        listener.accept()[0].close()


def _audit_record(marker: str) -> None:
    text = f"op=vedette-selftest marker={marker} res=success".encode() + b"\0"
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_AUDIT) as audit:
        audit.sendto(_HEADER.pack(_HEADER.size + len(text), _TRUSTED_APP, _REQUEST, 1, 0) + text, (0, 0))


if __name__ == "__main__":
    act(sys.argv[1])
