"""OpenIOC files: both versions, their conditions, and what an attacker would send."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query.ioc import openioc
from vedette.query.ioc.criteria import MAX_BYTES, MAX_DEPTH, All, IocError, Some, Term
from vedette.query.values import Operator

OLD = "http://schemas.mandiant.com/2010/ioc"
NEW = "http://openioc.org/schemas/OpenIOC_1.1"


def item(condition: str, term: str, value: str, kind: str = "string", more: str = "") -> str:
    return (
        f'<IndicatorItem id="i" condition="{condition}" {more}><Context document="d" search="{term}" type="mir"/>'
        f'<Content type="{kind}">{value}</Content></IndicatorItem>'
    )


def old(inner: str) -> bytes:
    title = "<short_description>T</short_description>"
    return f'<ioc xmlns="{OLD}" id="x">{title}<definition>{inner}</definition></ioc>'.encode()


def new(inner: str) -> bytes:
    return (
        f'<OpenIOC xmlns="{NEW}" id="x"><metadata><short_description>T</short_description></metadata>'
        f"<criteria>{inner}</criteria></OpenIOC>"
    ).encode()


def test_version_1_0_negates_by_its_conditions() -> None:
    inner = item("isnot", "FileItem/FileName", "a") + item("containsnot", "A/b", "c")
    found = openioc.parse(old(f'<Indicator operator="AND">{inner}</Indicator>'), "f")
    assert found.title == "T"
    assert isinstance(found.criteria, All)
    assert [(t.operator, t.negated) for t in found.criteria.operands if isinstance(t, Term)] == [
        (Operator.IS, True),
        (Operator.CONTAINS, True),
    ]


def test_version_1_1_has_seven_conditions_negation_and_case() -> None:
    conditions = ["is", "contains", "matches", "starts-with", "ends-with", "greater-than", "less-than"]
    inner = "".join(
        item(one, "FileItem/FileName", "a", more='negate="true" preserve-case="true"') for one in conditions
    )
    found = openioc.parse(new(f'<Indicator operator="OR">{inner}</Indicator>'), "f")
    assert isinstance(found.criteria, Some)
    read = [part for part in found.criteria.operands if isinstance(part, Term)]
    assert [part.operator.value for part in read] == ["=", "contains", "matches", "starts with", "ends with", ">", "<"]
    assert all(part.negated and part.exact_case for part in read)


def test_lines_are_those_of_the_file() -> None:
    found = openioc.parse(new('<Indicator operator="OR">\n\n' + item("is", "A/b", "c") + "</Indicator>"), "f")
    assert isinstance(found.criteria, Some)
    assert [part.line for part in found.criteria.operands] == [3]


def test_an_unknown_element_makes_its_group_unknown_and_not_wider() -> None:
    inner = f'<Indicator operator="AND">{item("is", "FileItem/FileName", "a")}<Other/></Indicator>'
    found = openioc.parse(new(inner), "f")
    assert isinstance(found.criteria, All)
    assert len(found.criteria.operands) == 2


def with_value(value: str) -> bytes:
    return new(f'<Indicator operator="OR">{item("is", "FileItem/FileName", value)}</Indicator>')


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<ioc", "no XML"),
        (b"<html/>", "no OpenIOC"),
        (BOMB.encode() + with_value("&b;"), "document type"),
        (FILE.encode() + with_value("&a;"), "document type"),
        (new('<Indicator operator="OR">' * (MAX_DEPTH + 1) + "</Indicator>" * (MAX_DEPTH + 1)), "nested deeper"),
        (b"<a>" * 100_000, "no XML"),
        (b" " * (MAX_BYTES + 1), "at most"),
        (new(""), "no indicator"),
        (new('<Indicator operator="XOR"/>'), "AND or OR"),
        (new('<Indicator operator="OR"><IndicatorItem condition="is"/></Indicator>'), "needs a Context"),
        (new(f'<Indicator operator="OR">{item("like", "A/b", "c")}</Indicator>'), "no condition"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(data: bytes, said: str) -> None:
    with pytest.raises(IocError, match=said):
        openioc.parse(data, "f")


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_crash_the_reader(noise: bytes, at: int) -> None:
    whole = new(f'<Indicator operator="OR">{item("is", "FileItem/FileName", "a")}</Indicator>')
    for data in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        with suppress(IocError):
            openioc.parse(data, "f")
