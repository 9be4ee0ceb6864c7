"""Events as lines for people."""

from typing import Any

import pytest

from vedette.cli.event_lines import facts, grouped, lines, summary
from vedette.cli.printing import cell, span, visible, when
from vedette.schema.dictionary import FIELDS
from vedette.schema.events import EVENT_TYPES, tag

START: dict[str, Any] = {
    "event.type": "process_start",
    "event.time": 1_800_000_000_123_456,
    "host.name": "web-1",
    "user.name": "root",
    "process.command_line": "curl -s https://example.org",
    "process.file.path": "/usr/bin/curl",
    "process.file.sha256": "a" * 64,
    "process.file.md5": "b" * 32,
    "process.pid": 4242,
    "process.entity_id": "c" * 32,
    "process.parent.command_line": "-bash",
    "process.parent.pid": 41,
}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (START, "curl -s https://example.org"),
        ({"event.type": "process_stop", "process.command_line": "ls", "process.exit_code": 2}, "ls  exit 2"),
        (
            {"event.type": "network_connect", "process.file.name": "curl", "process.pid": 7, "socket.protocol": "tcp",
             "socket.local_ip": "10.0.0.1", "socket.local_port": 50000, "socket.remote_ip": "2001:db8::1",
             "socket.remote_port": 443},
            "curl[7]  tcp  10.0.0.1:50000 -> [2001:db8::1]:443",
        ),
        ({"event.type": "port_listen", "socket.local_ip": "0.0.0.0", "socket.local_port": 22}, "0.0.0.0:22"),
        ({"event.type": "module_load", "module.file.path": "/lib/a.so"}, "/lib/a.so"),
        ({"event.type": "pipe_event", "pipe.name": "x"}, "pipe.name=x"),
    ],
)  # fmt: skip
def test_the_summary_says_what_happened(event: dict[str, Any], says: str) -> None:
    assert summary(event) == says


@pytest.mark.parametrize("kind", [tag(event) for event in EVENT_TYPES])
def test_every_event_type_has_a_summary_and_facts(kind: str) -> None:
    event: dict[str, Any] = {name: "text" for name, field in FIELDS.items() if kind in field.types}
    event |= {"event.type": kind, "event.time": 1, "process.end_time": 2}
    assert summary(event)
    assert list(facts(event))


def test_details_show_digests_user_and_parent() -> None:
    text = "\n".join(text for _, text in lines([START], width=200, details=True))
    for value in ("root", "web-1", "a" * 64, "b" * 32, "c" * 32, "-bash", "4242", "2027-01-15 08:00:00.123Z"):
        assert value in text


def test_long_runs_of_module_loads_become_one_line_that_counts_them() -> None:
    load = {"event.type": "module_load", "event.time": 2, "process.pid": 7, "process.file.name": "curl"}
    events = [START, *[load] * 5, START, *[load] * 3, *[load | {"process.pid": 8}] * 4]
    assert [event["event.type"] for event in grouped(events)].count("module_load") == 5
    assert summary(grouped(events)[1]).startswith("curl[7]  5 modules")
    assert grouped(events)[1]["event.time"] == 2


def test_a_narrow_terminal_folds_and_never_cuts() -> None:
    event = START | {"process.command_line": "x " * 200 + "y" * 300}
    shown = [text for kind, text in lines([event], width=80, details=True) if kind == "event"]
    assert "".join("".join(shown).split()).endswith("x" * 200 + "y" * 300)


def test_control_characters_do_nothing_to_the_terminal() -> None:
    assert visible("a\x1b[31m\u202eb\nc") == "a\\x1b[31m\\u202eb\\nc"
    assert visible("Привет") == "Привет"


def test_values_are_shown() -> None:
    assert [cell(value) for value in (None, "", True, 5, ["a", 1], {"k": "v"})] == ["-", "", "yes", "5", "a, 1", "k=v"]
    assert [span(value * 1_000_000) for value in (5, 65, 3700, 90_000)] == ["5s", "1m 5s", "1h 1m", "1d 1h"]
    assert (when(None), when(0, now=60_000_000)) == ("never", "1m 0s ago")
