"""`python -m vedette.store.server --data DIR --port P`: the store process. Loopback only."""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from pathlib import Path

from vedette.runtime import logs
from vedette.runtime.errors import StoreError
from vedette.runtime.files import write_atomic
from vedette.store.server.wholeness import forget

log = logging.getLogger(__name__)


def main() -> int:
    """Serve DIR/store until SIGTERM; 1 with a sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="vedette.store.server")
    parser.add_argument("--data", type=Path, required=True, help="the Central Node's directory")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 = any, see DIR/run/store.ready")
    parser.add_argument("--readers", type=int, default=4, help="queries that may run at once")
    parser.add_argument("--password-file", type=Path, help="holds the password; without it each start draws one")
    parser.add_argument("--memory", type=int, default=0, help="bytes for the engine; 0 = half of the host's")
    given = parser.parse_args()
    logs.setup("store")
    try:
        password = given.password_file.read_text("ascii").strip() if given.password_file else secrets.token_urlsafe(32)
        return serve(given.data, password, port=given.port, readers=given.readers, memory=given.memory)
    except (StoreError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence for the operator, not a trace
        return 1


def serve(data: Path, password: str, *, port: int, readers: int, memory: int) -> int:
    """Open the store under `data` and answer requests; writes run/store-password and run/store.ready."""
    os.environ["TZ"] = "UTC"
    temporary, run = data / "store" / "tmp", data / "run"
    for folder in (temporary, run):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(temporary)  # the engine's temporary files belong on the data disk
    from vedette.store.server.engine import Engine

    engine = Engine(data / "store", readers=readers, memory=memory)
    engine.prepare()
    if set_aside := engine.set_aside():
        engine.close()
        lost = forget(set_aside)
        log.error(
            "%d parts are not whole and are set aside, %d of them of inserts, which are stored when they come again; "
            "starting anew",
            len(set_aside), lost,
        )  # fmt: skip
        return 1
    # The protocol is named because asyncio turns Nagle's delay off only then (40 ms a query otherwise).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)  # from here on callers wait instead of being refused
    write_atomic(run / "store-password", password.encode(), mode=0o600)
    write_atomic(run / "store.ready", b"%d\n" % listener.getsockname()[1], mode=0o600)
    log.info("serving port=%d data=%s", listener.getsockname()[1], data / "store")
    _serve(engine, password, listener)
    return 0


def _serve(engine: object, password: str, listener: socket.socket) -> None:
    import uvicorn

    from vedette.store.server.engine import Engine
    from vedette.store.server.web import Application

    if not isinstance(engine, Engine):
        raise TypeError("an Engine is needed")
    config = uvicorn.Config(
        Application(engine, password),
        log_level="warning",
        access_log=False,
        http="httptools",
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn sends the signal again once it has stopped
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    sys.exit(main())
