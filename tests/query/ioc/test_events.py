"""What an IOC matches in SQL, by the predicate, and by a naive reading of three-valued logic is the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.query import sql
from vedette.query.ast import Condition, HasUrl, InDomains, InNetworks
from vedette.query.ioc.columns import answer
from vedette.query.ioc.criteria import All, Criteria, Some, Term
from vedette.query.ioc.events import compile_criteria
from vedette.query.predicate import compile_predicate
from vedette.query.statement import Window
from vedette.query.values import Operator
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.dictionary import FIELDS

if TYPE_CHECKING:
    from typing import Any

    from vedette.query.ast import Node

NOW = 1_795_000_000_000_000
DAY = 86_400_000_000
SCOPE = Scope(tenants=frozenset({"ioc"}), rights=RIGHTS[Role.ADMINISTRATOR])
WINDOW = Window(NOW - DAY, NOW + DAY)

HOSTS = ("Evil.example", "a.b.evil.example.", "notevil.example", "bücher.example", "xn--bcher-kva.example", "", ".",
         "a..b", "x." * 140 + "evil.example", "ΣΑΣ.example", "evil.example" + "." * 2)  # fmt: skip
ADDRESSES = ("10.0.0.1", "::ffff:10.0.0.1", "2001:DB8:0:0::1", "2001:db8::1", "fe80::1%eth0", "no", "", "192.168.7.9")
COMMANDS = ("curl http://evil.example:80/x/#top", "GET 'HTTPS://Evil.example/a'", "http://evil.example/xy", "", "curl",
            "(see https://evil.example/a).")  # fmt: skip


def make_rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(11)

    def maybe(values: tuple[Any, ...]) -> Any:
        return draw.choice(values) if draw.random() < 0.7 else None

    made: list[dict[str, Any]] = [
        {
            "tenant": "ioc", "host.id": "0" * 32, "event.time": NOW - number, "event.received": NOW,
            "event.epoch": "0" * 16, "event.sequence": number,
            "event.type": draw.choice(("process_start", "file_create", "dns_query", "network_connect", "file_change")),
            "file.name": maybe(("a.exe", "B.DLL", "")), "file.md5": maybe(("a" * 32, "b" * 32)),
            "file.size": maybe((1, 5, 9)), "process.file.name": maybe(("A.EXE", "cmd.exe")),
            "process.file.md5": maybe(("a" * 32, "c" * 32)), "process.command_line": maybe(COMMANDS),
            "dns.query": maybe(HOSTS), "socket.remote_ip": maybe(ADDRESSES), "socket.remote_host": maybe(HOSTS),
            "dns.answers": maybe((HOSTS[:3], ADDRESSES[:2], ())),
        }
        for number in range(count)
    ]  # fmt: skip
    return [
        {name: seen if row["event.type"] in FIELDS[name].types else None for name, seen in row.items()} for row in made
    ]


@pytest.fixture(scope="module")
def rows(store: Any) -> list[dict[str, Any]]:
    made = make_rows(400)
    store.insert(made)
    return made


def stored(store: Any, node: Node) -> list[int]:
    statement = sql.compile_events(node, SCOPE, WINDOW, limit=1_000, columns=("event.sequence",))
    at = statement.columns.index("event.sequence")
    return sorted(row[at] for row in store.ask(statement))


def matched(node: Node, rows: list[dict[str, Any]]) -> list[int]:
    holds = compile_predicate(node)
    return [row["event.sequence"] for row in rows if holds(row)]


NAMES = ["evil.example", "bücher.example", "xn--bcher-kva.example", "example", "b", "σασ.example", "com"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("column", "test"),
    [
        *[(column, InDomains(tuple(NAMES[:count]))) for column in ("dns.query", "dns.answers") for count in (1, 2, 7)],
        *[(column, InNetworks(("10.0.0.0/31", "2001:db8::/64", "10.0.0.1/32", "192.168.0.0/16")))
          for column in ("socket.remote_ip", "dns.answers")],
        ("socket.remote_ip", InNetworks(("::/0",))),
        ("process.command_line", HasUrl(("http://evil.example/x", "https://evil.example/a"))),
    ],
)  # fmt: skip
def test_lists_match_the_same_in_sql_and_here(store: Any, rows: Any, column: str, test: Any) -> None:
    node = Condition(FIELDS[column], test)
    found = matched(node, rows)
    assert found
    assert stored(store, node) == found


def test_a_name_that_only_ends_alike_is_not_below_a_domain() -> None:
    is_below = compile_predicate(Condition(FIELDS["dns.query"], InDomains(("evil.example",))))
    assert [name for name in HOSTS if is_below({"dns.query": name})] == ["Evil.example", "a.b.evil.example."]


term = st.builds(
    Term,
    name=st.sampled_from(["FileItem/FileName", "FileItem/Md5sum", "FileItem/SizeInBytes", "FileItem/FileExtension",
                          "ProcessItem/name", "DnsEntryItem/Host", "PortItem/remoteIP", "FileItem/PEInfo/PETimeStamp"]),
    operator=st.sampled_from([Operator.IS, Operator.IS, Operator.CONTAINS, Operator.STARTS, Operator.ABOVE]),
    value=st.sampled_from(["a.exe", "a" * 32, "5", "evil.example", "10.0.0.1", "exe", "cmd"]),
    negated=st.booleans(),
    exact_case=st.booleans(),
)  # fmt: skip
criteria = st.recursive(
    term,
    lambda below: st.lists(below, min_size=1, max_size=3).flatmap(
        lambda operands: st.sampled_from([All(tuple(operands)), Some(tuple(operands))])
    ),
    max_leaves=6,
)


def naive(asked: Criteria, row: dict[str, Any]) -> bool:
    """Whether some choice of views makes `asked` true, by three values: True, False, None."""
    if isinstance(asked, Some):
        return any(naive(operand, row) for operand in asked.operands)
    items = sorted({found.item for part in flat(asked) if (found := answer(part.name))})
    return any(value(asked, row, dict(zip(items, views, strict=True))) is True for views in choices(items))


def flat(asked: Criteria) -> list[Term]:
    return [asked] if isinstance(asked, Term) else [one for operand in asked.operands for one in flat(operand)]


def choices(items: list[str]) -> list[tuple[str, ...]]:
    views = {
        "FileItem": ("file", "process.file"),
        "ProcessItem": ("process",),
        "DnsEntryItem": ("dns",),
        "PortItem": ("socket",),
    }
    found: list[tuple[str, ...]] = [()]
    for item in items:
        found = [(*start, view) for start in found for view in views[item]]
    return found


def value(asked: Criteria, row: dict[str, Any], views: dict[str, str]) -> bool | None:
    if isinstance(asked, Term):
        return holds(asked, row, views)
    values = [value(operand, row, views) for operand in asked.operands]
    if isinstance(asked, All):
        return False if False in values else None if None in values else True
    return True if True in values else None if None in values else False


def holds(asked: Term, row: dict[str, Any], views: dict[str, str]) -> bool | None:
    found = answer(asked.name)
    if found is None or compile_criteria(asked)[0] is None:
        return None
    known = [seen for column in found.views.get(views[found.item], ()) for seen in known_values(row, column.field.name)
             if compiles(asked, column)]  # fmt: skip
    if not known:
        return None
    return any(same(asked, column_name, seen) for column_name, seen in known) != asked.negated


def compiles(asked: Term, column: Any) -> bool:
    from vedette.query.ioc.tests import tests_of
    from vedette.query.values import ValueProblem

    try:
        return bool(tests_of(column, asked))
    except ValueProblem:
        return False


def known_values(row: dict[str, Any], name: str) -> list[tuple[str, Any]]:
    seen = row.get(name)
    return [] if seen is None else [(name, one) for one in seen] if isinstance(seen, tuple) else [(name, seen)]


def same(asked: Term, name: str, seen: Any) -> bool:
    if isinstance(seen, int):
        return seen == int(asked.value) if asked.operator is Operator.IS else seen > int(asked.value)
    want = asked.value
    digest = name.endswith("md5")
    if asked.name.endswith("FileExtension"):
        return bool(seen.lower().endswith("." + want))
    if not asked.exact_case or digest:
        seen, want = seen.lower(), want.lower()
    if name.startswith(("dns.", "socket.remote_host")) and asked.operator is Operator.IS:
        seen, want = seen.lower().removesuffix("."), want.removesuffix(".")
    match asked.operator:
        case Operator.IS:
            return bool(seen == want)
        case Operator.CONTAINS:
            return want in seen
        case _:
            return bool(seen.startswith(want))


@settings(max_examples=80, deadline=None)
@given(criteria)
def test_events_match_as_a_naive_reading_says(asked: Criteria) -> None:
    node, _problems = compile_criteria(asked)
    some = make_rows(60)
    expected = [row["event.sequence"] for row in some if naive(asked, row)]
    assert (matched(node, some) if node is not None else []) == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(criteria)
def test_stored_events_match_the_same(store: Any, rows: Any, asked: Criteria) -> None:
    node, _problems = compile_criteria(asked)
    if node is not None:
        assert stored(store, node) == matched(node, rows)


def test_a_negated_test_of_an_unknown_field_matches_nothing() -> None:
    node, _problems = compile_criteria(Term(name="FileItem/FileName", value="x", negated=True))
    assert node is not None
    is_true = compile_predicate(node)
    assert not is_true({"event.type": "file_create"})
    assert is_true({"event.type": "file_create", "file.name": "y"})


def test_a_group_is_about_one_file() -> None:
    both = All(
        (
            Term(name="FileItem/FileName", value="x"),
            Term(name="FileItem/SizeInBytes", operator=Operator.ABOVE, value="5"),
        )
    )
    node, problems = compile_criteria(both)
    assert node is not None
    assert not problems
    is_true = compile_predicate(node)
    assert is_true({"file.name": "x", "file.size": 9})
    assert not is_true({"file.name": "x", "process.file.size": 9})


def test_a_group_that_no_one_event_answers_says_so() -> None:
    node, problems = compile_criteria(
        All((Term(name="RegistryItem/ValueName", value="x"), Term(name="DnsEntryItem/Host", value="y")), 7)
    )
    assert node is None
    assert [(problem.term, problem.line) for problem in problems] == [("AND", 7)]


def test_an_unsupported_term_takes_its_group_but_not_its_alternatives() -> None:
    unknown = Term(name="FileItem/PEInfo/PETimeStamp", value="x", line=3)
    known = Term(name="FileItem/FileName", value="x")
    node, problems = compile_criteria(Some((All((unknown, known)), known)))
    assert node is not None
    assert {problem.term for problem in problems} == {"FileItem/PEInfo/PETimeStamp", "AND"}
    assert compile_criteria(All((unknown, known)))[0] is None
