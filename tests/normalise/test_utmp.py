"""Records of utmp and wtmp."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.normalise.utmp import SIZE, USER, Entry, entries, entry_bytes

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


def test_a_record_of_a_login() -> None:
    entry = Entry(USER, 4711, "pts/0", "ts/0", "joe", "client.example", 12, 1_795_498_910_852_000, "10.1.2.3")
    raw = entry_bytes(entry)
    assert len(raw) == SIZE
    assert list(entries(raw + raw[:100])) == [entry]


def test_a_time_after_2038_is_read_as_it_was_written() -> None:
    entry = Entry(USER, 1, "tty1", "1", "joe", "", 0, 2_200_000_000_000_000, "")
    assert next(entries(entry_bytes(entry))).time == entry.time


@given(words, words, words, st.integers(0, 2**31 - 1), st.sampled_from(["", "10.0.0.1", "fe80::1", "2001:db8::9"]))
def test_a_record_round_trips(line: str, user: str, host: str, pid: int, address: str) -> None:
    entry = Entry(USER, pid, line, "x", user, host, 7, 1_000_000, address)
    assert list(entries(entry_bytes(entry))) == [entry]


@given(st.binary(max_size=3 * SIZE))
def test_any_bytes_give_whole_records(data: bytes) -> None:
    assert len(list(entries(data))) == len(data) // SIZE
