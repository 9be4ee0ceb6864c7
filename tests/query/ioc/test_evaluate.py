"""IOCs over the items of a host: three values, one item for one group, and which test matched."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from vedette.query.ioc.criteria import All, Criteria, Some, Term
from vedette.query.ioc.evaluate import Item, evaluate
from vedette.query.values import Operator


def file(**facts: str) -> Item:
    return Item("FileItem", {name: (value,) for name, value in facts.items()})


def term(name: str, value: str, operator: Operator = Operator.IS, **more: object) -> Term:
    return Term(name=name, operator=operator, value=value, **more)  # type: ignore[arg-type]


def test_it_says_which_indicator_matched_on_which_item() -> None:
    verdict = evaluate(term("FileItem/Md5sum", "AB" * 16, line=4), [file(Md5sum="cd" * 16), file(Md5sum="ab" * 16)])
    assert verdict.holds is True
    assert [(one.term, one.seen, one.item, one.line) for one in verdict.matched] == [
        ("FileItem/Md5sum", "ab" * 16, 1, 4)
    ]


def test_what_no_item_tells_is_neither_true_nor_false() -> None:
    unknown = term("FileItem/Sha1sum", "x", negated=True)
    assert evaluate(unknown, [file(Md5sum="y")]).holds is None
    assert evaluate(unknown, []).holds is None
    assert evaluate(All((unknown, term("FileItem/Md5sum", "z"))), [file(Md5sum="y")]).holds is False
    assert evaluate(Some((unknown, term("FileItem/Md5sum", "y"))), [file(Md5sum="y")]).holds is True


def test_a_group_of_one_kind_is_about_one_item() -> None:
    both = All((term("FileItem/FileName", "a"), term("FileItem/SizeInBytes", "5", Operator.ABOVE, kind="int")))
    assert evaluate(both, [file(FileName="a", SizeInBytes="1"), file(FileName="b", SizeInBytes="9")]).holds is False
    assert evaluate(both, [file(FileName="a", SizeInBytes="9")]).holds is True


def test_a_group_of_several_kinds_is_about_the_host() -> None:
    both = All((term("FileItem/FileName", "a"), term("RegistryItem/ValueName", "v")))
    items = [file(FileName="a"), Item("RegistryItem", {"ValueName": ("V",)})]
    verdict = evaluate(both, items)
    assert verdict.holds is True
    assert {one.item for one in verdict.matched} == {0, 1}


def test_conditions() -> None:
    seen = [file(FileName="Evil.EXE", Created="2020-05-05T00:00:00Z", SizeInBytes="7", Path="x")]
    dns = [Item("DnsEntryItem", {"Host": ("BÜCHER.example.",)})]
    port = [Item("PortItem", {"remoteIP": ("::ffff:10.0.0.9",)})]
    cases: list[tuple[Term, list[Item], bool | None]] = [
        (term("FileItem/FileName", "evil", Operator.STARTS), seen, True),
        (term("FileItem/FileName", "evil", Operator.STARTS, exact_case=True), seen, False),
        (term("FileItem/FileName", ".exe", Operator.ENDS), seen, True),
        (term("FileItem/FileName", "^e.*e$", Operator.MATCHES), seen, True),
        (term("FileItem/FileName", "(?=x)", Operator.MATCHES), seen, None),
        (term("FileItem/FileName", "e%._xe", like=True), seen, True),
        (term("FileItem/Created", "2020-01-01T00:00:00Z TO 2021-01-01T00:00:00Z", kind="date"), seen, True),
        (term("FileItem/SizeInBytes", "8 TO 9", kind="int"), seen, False),
        (term("FileItem/FileName", "5", Operator.ABOVE), seen, None),
        (term("DnsEntryItem/Host", "xn--bcher-kva.example"), dns, True),
        (term("PortItem/remoteIP", "10.0.0.9", kind="IP"), port, True),
        (term("PortItem/remoteIP", "10.0.0.0/28", Operator.WITHIN), port, True),
        (term("PortItem/remoteIP", "10.0.0.1 TO 10.0.0.8", kind="IP"), port, False),
    ]
    assert [evaluate(one, items).holds for one, items, _expected in cases] == [
        expected for _one, _items, expected in cases
    ]


def test_a_hostile_expression_takes_no_longer() -> None:
    start = time.process_time()
    evaluate(term("FileItem/FileName", "(a+)+$", Operator.MATCHES), [file(FileName="a" * 50_000 + "b")])
    assert time.process_time() - start < 2


terms = st.builds(
    term,
    st.sampled_from(["FileItem/a", "FileItem/b", "PortItem/a"]),
    st.sampled_from(["x", "y"]),
    negated=st.booleans(),
)
trees = st.recursive(
    terms,
    lambda below: st.lists(below, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([All(tuple(parts)), Some(tuple(parts))])
    ),
    max_leaves=6,
)
items = st.lists(
    st.builds(
        Item,
        st.sampled_from(["FileItem", "PortItem"]),
        st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]).map(lambda one: (one,)), max_size=2),
    ),
    max_size=3,
)


@given(trees, items)
def test_the_opposite_of_a_test_that_is_known_is_never_also_true_on_one_item(tree: Criteria, seen: list[Item]) -> None:
    for item in seen:
        if evaluate(tree, [item]).holds is True:
            assert evaluate(opposite(tree), [item]).holds is not True


def opposite(tree: Criteria) -> Criteria:
    match tree:
        case Term():
            return term(tree.name, tree.value, negated=not tree.negated)
        case All(operands):
            return Some(tuple(map(opposite, operands)))
        case Some(operands):
            return All(tuple(map(opposite, operands)))
