"""The scanning process: it gets open files from the agent, and gives up every right that it has before the first.

`python -m vedette.agent.core.scanner.worker HANDLE`; it ends when the agent does.
"""

import ctypes
import os
import resource
import socket
import sys
import time

import msgspec

from vedette.agent.core.scanner.messages import REQUESTS, Load, Outcome, Scan, receive, send
from vedette.engines.clamd.engine import ClamdEngine
from vedette.engines.objects import ObjectEngine, Verdict, not_scanned
from vedette.engines.reading import read_whole
from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.engine import NAME, YaraEngine, warm_up
from vedette.runtime.errors import ConfigError

NICENESS = 10
MEMORY = 2 << 30
"""Bytes of address space; most of it is only reserved."""
NOBODY = 65_534
_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Answer until the agent closes its end."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    warm_up()  # now: afterwards the installation may be out of reach
    give_up_rights()
    engines: list[ObjectEngine] = []
    while True:
        try:
            request, handle = receive(channel, REQUESTS)
        except EOFError:
            return
        if handle is None:
            continue
        try:
            if isinstance(request, Load):
                outcome, engines = load(request, handle, engines)
            else:
                outcome = look(request, handle, engines)
        finally:
            os.close(handle)
        send(channel, msgspec.structs.replace(outcome, cpu=time.process_time()))


def give_up_rights() -> None:
    """Become nobody, with little room and low priority: hostile files are parsed here."""
    os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def load(request: Load, handle: int, before: list[ObjectEngine]) -> tuple[Outcome, list[ObjectEngine]]:
    """Make the engines; when that fails the former ones stay."""
    try:
        with os.fdopen(os.dup(handle), "rb") as file:
            compiled = msgspec.msgpack.decode(file.read(), type=Compiled)
        engines: list[ObjectEngine] = [YaraEngine(compiled, seconds=request.seconds)]
        if request.clamd:
            engines.append(ClamdEngine(request.clamd, seconds=request.seconds))
    except (ConfigError, msgspec.MsgspecError, OSError) as error:
        return Outcome(problem=str(error)), before
    return Outcome(), engines


def look(request: Scan, handle: int, engines: list[ObjectEngine]) -> Outcome:
    """Read the file and ask every engine."""
    reading = read_whole(handle, request.largest)
    problem, detail = reading.problem, reading.detail
    verdicts: tuple[Verdict, ...]
    if problem is not None:
        verdicts = (not_scanned(NAME, problem, detail),)
    elif request.sha256 and request.sha256 != reading.sha256:
        return Outcome(size=reading.size, sha256=reading.sha256)
    else:
        verdicts = tuple(engine.scan(reading.data, request.about) for engine in engines)
    return Outcome(verdicts=verdicts, size=reading.size, md5=reading.md5, sha256=reading.sha256)


if __name__ == "__main__":
    main()
