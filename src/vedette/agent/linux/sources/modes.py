"""The modes in which a Linux kernel can be observed, from the best to the poorest."""

from collections.abc import Callable
from typing import Final

from vedette.agent.linux.sources.calls_feed import CallsFeed
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.sources.ebpf import EbpfMode
from vedette.agent.linux.sources.feed import FedMode, Feed
from vedette.agent.linux.sources.files_feed import FilesFeed, Programs
from vedette.agent.linux.sources.mode import Mode
from vedette.agent.linux.sources.processes_feed import ProcessesFeed
from vedette.agent.linux.sources.scan_feed import ScanFeed
from vedette.agent.linux.sources.sockets_feed import SocketsFeed
from vedette.runtime.errors import ProbeError


def _audit() -> Mode:
    return FedMode(
        "audit",
        # Forks and ends are told by the proc connector, where there is one; else /proc shows the ends.
        needed={"forks": _lives, "audit": CallsFeed},
        others={
            "fanotify": lambda decoder: FilesFeed(decoder, {}),
            "sockets": lambda decoder: SocketsFeed(decoder, outbound=False, listening=False),
        },
    )


def _lives(decoder: Decoder) -> Feed:
    try:
        return ProcessesFeed(decoder, execs=False)
    except ProbeError:
        return ScanFeed(decoder, starts=False)


def _proc() -> Mode:
    programs: Programs = {}
    return FedMode(
        "proc",
        needed={"proc": lambda decoder: ProcessesFeed(decoder, programs=programs)},
        others={"fanotify": lambda decoder: FilesFeed(decoder, programs), "sockets": SocketsFeed},
    )


def _poll() -> Mode:
    return FedMode(
        "poll",
        needed={"processes": ScanFeed},
        others={"fanotify": lambda decoder: FilesFeed(decoder, {}), "sockets": SocketsFeed},
    )


MODES: Final[dict[str, Callable[[], Mode]]] = {
    "lsm": lambda: EbpfMode("lsm"),
    "tracepoint": lambda: EbpfMode("tracepoint"),
    "audit": _audit,
    "proc": _proc,
    "poll": _poll,
}
