"""Names of threats and dates of rules, as public rule sets write them."""

from __future__ import annotations

import pytest

from vedette.engines.yara.metadata import released, threat_name

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({}, "The_Rule"),
        ({"threat_name": "Linux.Trojan.Some"}, "Linux.Trojan.Some"),
        ({"tc_detection_name": "Some", "family": "other"}, "Some"),
        ({"threat": "  "}, "The_Rule"),
        ({"threat": 5}, "The_Rule"),
    ],
)
def test_the_threat_is_named_as_the_rule_names_it(meta: dict[str, object], name: str) -> None:
    assert threat_name("The_Rule", meta) == name


def test_the_newest_date_counts() -> None:
    metas = [{"date": "1970-01-02"}, {"date": "1970-01-01", "modified": "1970/01/05"}, {"date": "nonsense"}]
    assert released(metas, until=100 * DAY) == 4 * DAY


def test_dates_of_tomorrow_and_impossible_ones_do_not_count() -> None:
    assert released([{"date": "1970-01-03"}, {"date": "1970-13-77"}, {"date": 7}], until=DAY) is None
