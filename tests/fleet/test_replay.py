"""Events from files: as the schema writes them and as `vedette hunt --json` prints them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.fleet.endpoint import Endpoint
from vedette.fleet.replay import read_events
from vedette.runtime.errors import ConfigError
from vedette.schema.dictionary import shown
from vedette.schema.events.base import Event
from vedette.wire.batch import BatchHeader, Builder, decode, frame, rows


def sent(events: list[Event]) -> list[dict[str, Any]]:
    """What arrives of `events`."""
    header = BatchHeader(agent="a" * 32, epoch="1" * 16, first=1, last=len(events), count=len(events), sent=1)
    return rows(decode(frame(header, Builder(events).encode(1))))


def test_events_as_the_schema_writes_them(tmp_path: Path) -> None:
    events = Endpoint(7).events(500)
    (tmp_path / "events").write_bytes(msgspec.json.Encoder().encode_lines(events))
    assert read_events(tmp_path / "events") == events


def test_events_as_a_hunt_prints_them(tmp_path: Path) -> None:
    """Host facts and ids are left out; what an agent sends of each event is the same again."""
    arrived = sent(Endpoint(7).events(2000))
    assert len({event["event.type"] for event in arrived}) > 10
    about = {"host.name": "ws1", "event.id": "f" * 32, "tenant": "default"}
    flat = [{shown(event["event.type"], name): value for name, value in event.items()} | about for event in arrived]
    (tmp_path / "events").write_bytes(msgspec.json.Encoder().encode_lines(flat))
    assert sent(read_events(tmp_path / "events")) == arrived


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no events"),
        ("\n\n", "holds no events"),
        ("{", ":1: "),
        ('{"event.type": "telepathy"}', ":1: unknown event type 'telepathy'"),
        ('\n{"type": "process_start"}', ":2: "),
        ('{"event.type": "process_start", "event.time": "x"}', ":1: "),
    ],
)
def test_what_is_no_event_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "events").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_events(tmp_path / "events")
    assert problem in str(caught.value)
