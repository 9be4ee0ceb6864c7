"""A segment is cut so that each portion fits into memory, and always in the same places."""

from collections.abc import Callable

from vedette.central.pipeline.portions import portions
from vedette.store.segment import Record

Make = Callable[..., Record]


def test_an_ordinary_segment_is_one_portion(make_record: Make) -> None:
    records = [make_record(number, 1) for number in range(1, 30)]
    assert list(portions(records)) == [records]


def test_nothing_is_one_empty_portion() -> None:
    assert list(portions([])) == [[]]


def test_what_unpacks_to_much_is_cut_in_order(make_record: Make) -> None:
    records = [make_record(number, 100) for number in range(1, 10)]
    cut = list(portions(records, limit=10_000))
    assert len(cut) > 1
    assert [record for portion in cut for record in portion] == records
    assert cut == list(portions(records, limit=10_000))


def test_one_batch_beyond_the_limit_is_a_portion_of_its_own(make_record: Make) -> None:
    records = [make_record(1, 2), make_record(3, 2)]
    assert list(portions(records, limit=1)) == [[records[0]], [records[1]]]


def test_broken_batches_count_for_nothing(make_record: Make) -> None:
    records = [make_record(1, 2, payload=b"?"), make_record(3, 2, payload=b"")]
    assert list(portions(records, limit=1)) == [records]
