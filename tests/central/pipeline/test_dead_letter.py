"""Dead letters are whole, readable as segments, and bounded."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from vedette.central.pipeline.dead_letter import DeadLetter, keep, set_aside
from vedette.store.segment import Record, read_segment

Make = Callable[..., Record]


def test_a_kept_batch_is_read_back_as_a_segment(make_record: Make, tmp_path: Path) -> None:
    letters = [DeadLetter(make_record(1, 2), "broken", (), 2), DeadLetter(make_record(3, 1), "unknown", ("new",), 1)]
    for _ in range(2):  # doing a segment again writes the same files
        assert keep(tmp_path, "000000000007-000", letters)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000007-000.json", "000000000007-000.seg"]
    assert read_segment(tmp_path / "000000000007-000.seg") == [letter.record for letter in letters]
    notes = msgspec.json.decode((tmp_path / "000000000007-000.json").read_bytes())
    assert [note["reason"] for note in notes["records"]] == ["broken", "unknown"]
    assert notes["records"][1]["types"] == ["new"]


def test_beyond_the_quota_nothing_is_kept(make_record: Make, tmp_path: Path) -> None:
    (tmp_path / "older").write_bytes(bytes(1000))
    assert not keep(tmp_path, "000000000007-000", [DeadLetter(make_record(), "broken")], quota=1000)
    assert [path.name for path in tmp_path.iterdir()] == ["older"]


def test_a_whole_segment_moves_away_with_its_reason(tmp_path: Path) -> None:
    spool, dead = tmp_path / "spool", tmp_path / "dead"
    spool.mkdir()
    dead.mkdir()
    segment = spool / "000000000009.seg"
    segment.write_bytes(b"x")
    set_aside(dead, segment, "the store refused it")
    assert not segment.exists()
    assert (dead / "000000000009.seg").read_bytes() == b"x"
    assert msgspec.json.decode((dead / "000000000009.json").read_bytes())["reason"] == "the store refused it"
