"""The uplink through Squid, as it is in Debian: downloaded and unpacked under .build, never installed."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.agent.core.proxy import parse_proxy
from vedette.agent.core.transport import Transport, UnreachableError
from vedette.wire.messages import Receipt
from vedette.wire.tls import client_context

BUILD = Path(__file__).parents[3] / ".build" / "squid"
PACKAGES = "squid squid-common squid-langpack libecap3 libltdl7 libtdb1 libnetfilter-conntrack3 libnfnetlink0".split()
SETTINGS = """
http_port 127.0.0.1:{port}
pid_filename none
cache deny all
memory_cache_shared off
cache_log {folder}/cache.log
access_log none
mime_table {root}/usr/share/squid/mime.conf
icon_directory {root}/usr/share/squid/icons
error_directory {root}/usr/share/squid-langpack/en
logfile_daemon {root}/usr/lib/squid/log_file_daemon
unlinkd_program {root}/usr/lib/squid/unlinkd
pinger_enable off
coredump_dir {folder}
cache_effective_user nobody
cache_effective_group nogroup
shutdown_lifetime 0 seconds
auth_param basic program {root}/usr/lib/squid/basic_ncsa_auth {folder}/users
auth_param basic realm test
acl signed proxy_auth REQUIRED
http_access allow signed
http_access deny all
"""


def fetch() -> Path:
    root = BUILD / "root"
    if not (root / "usr/sbin/squid").exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            pytest.skip("Squid is fetched with apt-get, which is not here")
        debs = BUILD / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        got = subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=debs, check=False, capture_output=True)
        if got.returncode:
            pytest.skip(f"Squid cannot be downloaded: {got.stderr.decode()[-200:]}")
        for package in sorted(debs.glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


@pytest.fixture
def squid() -> Iterator[str]:
    """Give the address of a running Squid that knows the user `agents` with the password `right`."""
    root = fetch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = f"vedette{os.getpid()}"
    folder = Path("/tmp", name)  # Squid's own user must reach it: pytest's folders are closed to others
    folder.mkdir(mode=0o755)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "right"], check=True, capture_output=True, text=True).stdout
    (folder / "users").write_text(f"agents:{hashed}")
    (folder / "squid.conf").write_text(SETTINGS.format(port=port, folder=folder, root=root))
    shutil.chown(folder, "nobody")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    command = [str(root / "usr/sbin/squid"), "-N", "-n", name, "-f", str(folder / "squid.conf")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process, folder)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)
            shutil.rmtree(folder)
            for left in Path("/dev/shm").glob(f"{name}-*"):
                left.unlink()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail((folder / "cache.log").read_text()[-500:])


@pytest.mark.root
def test_squid_passes_batches_with_the_right_password_only(
    squid: str, start_server: Callable[..., Any], answer: Any
) -> None:
    server = start_server()
    server.answer("/agent/v1/batch", answer(200, b"{}"))
    context = client_context(server.authority.pem)
    signed = Transport(server.url, context, parse_proxy(f"http://agents:right@{squid}"))
    assert [signed.send(b"frame") for _ in range(3)] == [Receipt()] * 3
    signed.close()
    assert [asked.body for asked in server.asked] == [b"frame"] * 3
    for user, reason in (("agents:wrong@", "does not accept the password"), ("", "wants a user name")):
        refused = Transport(server.url, context, parse_proxy(f"http://{user}{squid}"))
        with pytest.raises(UnreachableError, match=reason):
            refused.send(b"frame")
        refused.close()
    assert len(server.asked) == 3
