"""What `vedette demo` does on this host to be hunted for: looks like an intrusion, harms nothing, leaves nothing.

A "payload" (a harmless shell script) is fetched over loopback, made executable, run; it looks around, packs what it
found, makes a setuid copy of `true`, and cleans up after itself.
"""

import functools
import http.server
import shutil
import subprocess
import threading
import uuid
from pathlib import Path

_PAYLOAD = """#!/bin/sh
# Harmless: part of `vedette demo`.
id; uname -a; cat /etc/hostname
head -c 200 /etc/passwd | base64 > "$1/collected.b64"
tar -cf "$1/collected.tar" -C "$1" collected.b64
cp /bin/true "$1/helper-$2"; chmod 4755 "$1/helper-$2"; "$1/helper-$2" --demo "$2"
mv "$1/collected.tar" "$1/.cache.tar"; rm -f "$1/collected.b64"
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def play(folder: Path) -> str:
    """Play the scene in `folder`, remove it, and give the mark that is in its command lines."""
    mark = f"demo-{uuid.uuid4().hex[:8]}"
    (folder / "www").mkdir(parents=True)
    (folder / "www" / "update.sh").write_text(_PAYLOAD)
    handler = functools.partial(_Quiet, directory=str(folder / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fetch = _fetch(server.server_address[1], folder / "update.sh")
        script = f"{fetch} && chmod +x {folder}/update.sh && {folder}/update.sh {folder} {mark} >/dev/null"
        subprocess.run(["/bin/sh", "-c", script], check=False, timeout=30)
        server.shutdown()
    shutil.rmtree(folder)
    return mark


def _fetch(port: int, target: Path) -> str:
    """Give the command that fetches the payload, with what this host has."""
    url = f"http://127.0.0.1:{port}/update.sh"
    if shutil.which("curl"):
        return f"curl -s -o {target} {url}"
    if shutil.which("wget"):
        return f"wget -q -O {target} {url}"
    return f"cp {target.parent}/www/update.sh {target}"
