"""Events as lines for people: when, where, what kind, who, what; and below it the facts that matter."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from vedette.cli.printing import cell, visible, when

Event = Mapping[str, Any]

_HEADINGS = ("TIME", "HOST", "TYPE", "USER", "WHAT")
_TIME_WIDTH = 24
_NARROWEST = 30
_SHORT_RUN = 3
_COUNT = "(count)"


def grouped(events: Sequence[Event]) -> list[Event]:
    """Make one event of each run of more than three module loads of one process: they hide what matters.

    Its summary says how many they are.
    """
    shown: list[Event] = []
    for key, run in groupby(events, key=_run):
        same = list(run)
        if key is None or len(same) <= _SHORT_RUN:
            shown += same
        else:
            shown.append({**same[0], _COUNT: len(same)})
    return shown


def _run(event: Event) -> tuple[Any, ...] | None:
    if event["event.type"] != "module_load":
        return None
    return event.get("host.id"), event.get("process.entity_id"), event.get("process.pid")


def lines(
    events: Sequence[Event], *, width: int, details: bool | None, heading: bool = True
) -> Iterator[tuple[str, str]]:
    """Give (kind of line, text): `head`, `event` or `detail`; `details` None = with the starts of processes only."""
    firsts = [_first(event) for event in events]
    columns = [
        max([len(title), *(len(first[number]) for first in firsts)]) for number, title in enumerate(_HEADINGS[:4])
    ]
    indent = sum(columns) + 2 * len(columns)
    room = max(_NARROWEST, width - indent)
    if heading and events:
        yield "head", _row(_HEADINGS[:4], columns) + _HEADINGS[4]
    for event, first in zip(events, firsts, strict=True):
        what = _fold(visible(summary(event)), room)
        yield "event", _row(first, columns) + what[0]
        for more in what[1:]:
            yield "event", " " * indent + more
        if details or (details is None and event["event.type"] == "process_start"):
            for fact in facts(event):
                for part in _fold(visible(fact), max(_NARROWEST, width - _TIME_WIDTH - 2)):
                    yield "detail", " " * (_TIME_WIDTH + 2) + part


def _row(texts: Sequence[str], columns: Sequence[int]) -> str:
    return "".join(text.ljust(size) + "  " for text, size in zip(texts, columns, strict=True))


def _first(event: Event) -> tuple[str, str, str, str]:
    host = event.get("host.name") or event.get("host.id") or "-"
    user = event.get("user.name") or "-"
    return when(event["event.time"]), visible(host), event["event.type"], visible(user)


def _fold(text: str, width: int) -> list[str]:
    """Fold at blanks where that is possible; a digest or path longer than the line is cut, never lost."""
    return textwrap.wrap(text, width, break_on_hyphens=False, drop_whitespace=True) or [""]


def summary(event: Event) -> str:
    """Say in one line what happened."""
    say = _SUMMARIES.get(event["event.type"])
    text = say(event) if say else ""
    return text or _anything(event)


def facts(event: Event) -> Iterator[str]:
    """Give the lines below: the process, its parent, digests, ids."""
    if event.get("process.file.path") or event.get("process.entity_id"):
        yield "process  " + _joined(
            event.get("process.file.path"),
            _named("pid", event.get("process.pid")),
            _named("id", event.get("process.entity_id")),
            _named("cwd", event.get("process.working_directory")),
        )
    if digests := _digests(event, "process.file"):
        yield "  file   " + digests
    parent = _joined(
        event.get("process.parent.command_line") or event.get("process.parent.file.path"),
        _named("pid", event.get("process.parent.pid")),
        _named("id", event.get("process.parent.entity_id")),
    )
    if parent:
        yield "parent   " + parent
    for prefix in () if _COUNT in event else ("file", "module.file", "driver.file", "blocked.file", "target.file"):
        if digests := _digests(event, prefix):
            yield f"{prefix}  " + digests
    if event["event.type"] not in {"process_start", "process_stop"} and event.get("process.command_line"):
        yield "command  " + str(event["process.command_line"])
    if event["event.type"] == "process_start" and event.get("process.end_time"):
        yield "ended    " + _joined(when(event["process.end_time"]), _named("exit", event.get("process.exit_code")))


def _digests(event: Event, prefix: str) -> str:
    return _joined(
        _named("sha256", event.get(f"{prefix}.sha256")),
        _named("md5", event.get(f"{prefix}.md5")),
        _named("size", event.get(f"{prefix}.size")),
    )


def _named(name: str, value: Any) -> str | None:
    return None if value in (None, "") else f"{name} {cell(value)}"


def _joined(*parts: Any) -> str:
    return "  ".join(str(part) for part in parts if part not in (None, ""))


def _process(event: Event) -> str:
    text = event.get("process.command_line") or event.get("process.file.path") or event.get("process.file.name")
    if event["event.type"] == "process_stop":
        return _joined(text, _named("exit", event.get("process.exit_code")))
    return str(text or "")


def _actor(event: Event) -> str:
    name = event.get("process.file.name") or event.get("process.file.path")
    pid = event.get("process.pid")
    return "" if name is None else f"{name}[{pid}]" if pid is not None else str(name)


def _file(event: Event) -> str:
    path = event.get("file.path")
    before = event.get("file.previous_path") or event.get("file.previous.path")
    operation = event.get("event.operation") or event.get("file.operation")
    return _joined(_actor(event), operation, f"{before} ->" if before else None, path)


def _loaded(event: Event) -> str:
    if count := event.get(_COUNT):
        return _joined(_actor(event), f"{count} modules (--brief or --details shows each)")
    path = event.get("module.file.path") or event.get("driver.file.path")
    return _joined(_actor(event), path)


def _connection(event: Event) -> str:
    local = _endpoint(event.get("socket.local_ip"), event.get("socket.local_port"))
    remote = _endpoint(event.get("socket.remote_ip"), event.get("socket.remote_port"))
    arrow = "<-" if event.get("socket.direction") == "inbound" else "->"
    ends = f"{local} {arrow} {remote}" if remote else local
    return _joined(_actor(event), event.get("socket.protocol"), ends, event.get("socket.remote_host"))


def _endpoint(address: Any, port: Any) -> str:
    if address is None and port is None:
        return ""
    shown = f"[{address}]" if address and ":" in str(address) else str(address or "*")
    return f"{shown}:{cell(port)}"


def _name_query(event: Event) -> str:
    return _joined(_actor(event), event.get("dns.type"), event.get("dns.query"), cell(event.get("dns.answers") or []))


def _log(event: Event) -> str:
    return _joined(
        event.get("winlog.system.channel") or event.get("oslog.source"),
        event.get("winlog.system.event_id") or event.get("oslog.type"),
        event.get("auth.subtype"),
        event.get("oslog.result"),
        event.get("oslog.message"),
    )


def _registry(event: Event) -> str:
    return _joined(
        _actor(event), event.get("registry.operation"), event.get("registry.path") or event.get("registry.key"),
        event.get("registry.value_data"),
    )  # fmt: skip


def _blocked(event: Event) -> str:
    return _joined(event.get("blocked.file.path"), event.get("blocked.command_line"))


def _gap(event: Event) -> str:
    return _joined(event.get("gap.reason"), _named("lost", event.get("gap.count")), event.get("gap.event_type"))


_NOT_TOLD = ("event.", "host.", "os.", "user.", "session.", "process.")


def _anything(event: Event) -> str:
    own = [f"{name}={cell(value)}" for name, value in event.items() if not name.startswith(_NOT_TOLD)]
    return _joined(_actor(event), *own[:6])


_SUMMARIES: dict[str, Callable[[Event], str]] = {
    "process_start": _process,
    "process_stop": _process,
    "file_create": _file,
    "file_change": _file,
    "module_load": _loaded,
    "driver_load": _loaded,
    "network_connect": _connection,
    "port_listen": _connection,
    "dns_query": _name_query,
    "os_log": _log,
    "registry_change": _registry,
    "process_block": _blocked,
    "file_block": _blocked,
    "telemetry_gap": _gap,
}
