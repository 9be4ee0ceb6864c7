"""The hunt language: what it accepts, what it means, and that no text makes it fail otherwise than it promises."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.query import ast, hunt
from vedette.query.ast import Anywhere, Between, Condition, Equals, Exists, InNetwork, Like, Not, OneOf, Regex
from vedette.query.explain import describe
from vedette.query.predicate import compile_predicate
from vedette.runtime.errors import QueryError

NOW = 1_795_000_000_000_000
MINUTE = 60_000_000
DAY = 86_400_000_000


def one(query: str) -> Condition:
    """Give the only condition of a query."""
    node = hunt.parse(query, now=NOW)
    assert isinstance(node, Condition), describe(node)
    return node


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ("process.file.name:curl", Equals("curl")),
        ("process.file.name:CURL", Equals("curl")),
        ("PROCESS.FILE.NAME = curl", Equals("curl")),
        ("process.name == curl", Equals("curl")),
        ('process.file.name:"a ""b"" c"', Equals('a "b" c')),
        ("process.file.name:'it''s'", Equals("it's")),
        ("process.file.name:cu*l?", Like("cu%l_")),
        ("process.file.name:100%_*", Like(r"100\%\_%")),
        ("process.file.name:a[*]b[?]", Equals("a*b?")),
        ('process.file.name:""', Equals("")),
        ("process.file.path:C:\\Temp\\*", Like(r"c:\\temp\\%")),
        ("process.file.path:/usr/bin/curl", Equals("/usr/bin/curl")),
        (r"process.command_line:/cur[lw]\s+https?:\/\//", Regex(r"cur[lw]\s+https?://")),
        ("process.command_line contains *", Like("%*%")),
        ('process.command_line startswith "sudo "', Like("sudo %")),
        ("process.command_line ends with .sh", Like("%.sh")),
        (r"process.command_line matches '^a/b'", Regex("^a/b")),
        ("process.file.name in (a, 'b c', a)", OneOf(("a", "b c"))),
        ("process.file.name:(a OR b)", OneOf(("a", "b"))),
        ("process.file.name:*", Exists()),
        ("process.pid:5", Equals(5)),
        ("process.pid=0x1F", Equals(31)),
        ("process.pid>5", Between(6, None)),
        ("process.pid:>=5", Between(5, None)),
        ("process.pid < 5", Between(None, 4)),
        ("process.pid:5..9", Between(5, 9)),
        ("process.pid:..9", Between(None, 9)),
        ("process.pid:[5 TO 9]", Between(5, 9)),
        ("process.pid:{5 to 9}", Between(6, 8)),
        ("process.pid:[* TO 9}", Between(None, 8)),
        ("process.pid in (1, 2)", OneOf((1, 2))),
        ("file.size:>10MB", Between(10 * 2**20 + 1, None)),
        ("process.args_truncated:yes", Equals(value=True)),
        ("socket.remote_ip:10.1.2.3/8", InNetwork("10.0.0.0/8")),
        ("socket.remote_ip cidr 10.0.0.0/8", InNetwork("10.0.0.0/8")),
        ("socket.remote_ip:2001:DB8:0:0::1", Equals("2001:db8::1")),
        ("socket.remote_ip:::ffff:10.0.0.1", InNetwork("10.0.0.1/32")),
        ("winlog.data.IpAddress:10.0.0.1", InNetwork("10.0.0.1/32")),
        ("process.file.sha256:ABCDEF", Equals("abcdef")),
        ("event.time:2026-11-18", Between(1_794_960_000_000_000, 1_794_960_000_000_000 + DAY - 1)),
        ("event.time>2026-11-18", Between(1_794_960_000_000_000 + DAY, None)),
        ("event.time<=2026-11-18", Between(None, 1_794_960_000_000_000 + DAY - 1)),
        ("event.time>=2026-11-18T00:01", Between(1_794_960_000_000_000 + MINUTE, None)),
        ("event.time>2026-11-18T02:01+02:00", Between(1_794_960_000_000_000 + MINUTE + 1, None)),
        ("event.time>now-1h", Between(NOW - 60 * MINUTE + 1, None)),
        ("last 24h", Between(NOW - DAY, None)),
        ("last 2 days", Between(NOW - 2 * DAY, None)),
        ("event.type:process", Equals("process_start")),
        ("EventType:FileChange", OneOf(("file_create", "file_change"))),
        ("event.type:file_c*", OneOf(("file_create", "file_change"))),
    ],
)
def test_a_term_means_this(query: str, test: ast.Test) -> None:
    assert one(query).test == test


def test_names_that_mean_several_columns_are_alternatives_within_their_event_types() -> None:
    node = hunt.parse("FileName:x", now=NOW)
    assert isinstance(node, ast.Or)
    assert {condition.field.name for condition in ast.conditions(node)} == {"file.name", "process.file.name"}
    assert all(condition.types for condition in ast.conditions(node))


def test_an_alias_is_limited_to_its_event_types() -> None:
    found = one("module.file.path:x")
    assert (found.field.name, found.types) == ("file.path", ("module_load",))


def test_a_name_whose_types_are_all_that_carry_it_needs_no_types() -> None:
    assert one("RegistryKey:x").types == ()


def test_and_binds_closer_than_or_and_blanks_mean_and() -> None:
    assert hunt.parse("a or b c", now=NOW) == hunt.parse("a OR (b AND c)", now=NOW)
    assert hunt.parse("a && b || c", now=NOW) == hunt.parse("(a and b) or c", now=NOW)
    assert hunt.parse("NOT a b", now=NOW) == hunt.parse("(!a) b", now=NOW)
    assert hunt.parse("!!a", now=NOW) == hunt.parse("a", now=NOW)


@pytest.mark.parametrize("query", ["process.pid!=5", "not process.pid:5", "!process.pid:5", "NOT (process.pid=5)"])
def test_ways_to_say_not(query: str) -> None:
    node = hunt.parse(query, now=NOW)
    assert isinstance(node, Not)
    assert node == hunt.parse("process.pid not in (5)", now=NOW)


def test_not_is_true_where_the_field_is_unknown() -> None:
    matches = compile_predicate(hunt.parse("process.pid!=5", now=NOW))
    assert matches({})
    assert not matches({"process.pid": 5})


@pytest.mark.parametrize("query", ["", "  \n", "*", "event.type:*"])
def test_nothing_and_a_star_mean_every_event(query: str) -> None:
    assert compile_predicate(hunt.parse(query, now=NOW))({"event.type": "process_start"})


def test_a_bare_word_is_searched_in_the_telling_columns() -> None:
    node = hunt.parse("Mimikatz", now=NOW)
    assert isinstance(node, Anywhere)
    assert {condition.test for condition in node.conditions} == {Like("%mimikatz%")}
    assert compile_predicate(node)({"process.command_line": "run MIMIKATZ now"})


@pytest.mark.parametrize(
    ("word", "column"),
    [("A" * 64, "process.file.sha256"), ("b" * 32, "process.file.md5"), ("10.0.0.0/8", "socket.remote_ip")],
)
def test_a_bare_digest_or_block_is_searched_where_such_values_are(word: str, column: str) -> None:
    node = hunt.parse(word, now=NOW)
    assert isinstance(node, Anywhere)
    assert column in {condition.field.name for condition in node.conditions}
    assert not any(isinstance(condition.test, Like) for condition in node.conditions)


def test_words_that_look_like_keywords_can_be_quoted() -> None:
    assert isinstance(hunt.parse('"and"', now=NOW), Anywhere)
    assert isinstance(hunt.parse("android orchestra notepad insider", now=NOW), ast.And)


def test_no_reading_of_a_name_needs_to_fit_but_one() -> None:
    node = hunt.parse("ProcessId:0x1f*", now=NOW)
    assert {condition.field.name for condition in ast.conditions(node)} == {"winlog.data.ProcessId"}


def test_the_environment_may_be_asked_key_by_key() -> None:
    found = one("process.env.LD_PRELOAD:*evil*")
    assert (found.field.column, found.field.key) == ("process.env", "LD_PRELOAD")


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                *"()\"'/[]{}*?!:=<>\\., \n",
                *"and or not in to last process.pid file.name event.time event.type x 5 ..".split(),
            ]
        ),
        max_size=25,
    ).map("".join)
    | st.lists(
        st.sampled_from(
            [
                "(",
                ")",
                "and ",
                "or ",
                "not ",
                "file.name",
                ":",
                " in ",
                "5 ",
                '"x" ',
                "process.pid",
                ">",
                "/a(b/",
                ",",
                "last 5h ",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_any_text_gives_a_tree_or_a_query_error(text: str) -> None:
    error = refusal(text)
    if error:
        assert 0 <= error.offset <= len(text)
        assert error.line == text.count("\n", 0, error.offset) + 1
        assert error.column >= 1
        assert error.problem
        return
    node = hunt.parse(text, now=NOW)
    describe(node)
    compile_predicate(node)({})


def refusal(text: str) -> QueryError | None:
    """Give why the text is no query; None if it is one."""
    try:
        hunt.parse(text, now=NOW)
    except QueryError as error:
        return error
    return None


HOSTILE = {
    "parentheses": "(" * 200_000,
    "closed parentheses": "(" * 5_000 + "a" + ")" * 5_000,
    "negations": "!" * 200_000 + "a",
    "nots": "not " * 50_000 + "a",
    "words": "a " * 400_000,
    "ors": "a or " * 50_000 + "a",
    "one word": "a" * 1_000_000,
    "long name": "a" * 500_000 + ":b",
    "blanks": "a" + " " * 1_000_000 + "b",
    "quotes": '"' * 200_001,
    "an open quote": 'file.name:"' + "x" * 900_000,
    "slashes": "/" * 500_000,
    "a long regex": "file.name:/" + "(a" * 2_000 + "/",
    "brackets": "file.name:" + "[" * 500_000,
    "open ranges": "process.pid:[ " * 50_000,
    "a huge list": "file.name in (" + "x, " * 300_000 + "x)",
    "a list of numbers": "process.pid in (" + ", ".join(map(str, range(100_000))) + ")",
    "stars": "file.name:" + "*" * 100_000 + "x",
    "long text": "x" * 2_000_000,
    "not in": "a not" + " " * 900_000 + "in",
    "operators": "file.name" + ":" * 500_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_within_bounded_time(name: str) -> None:
    start = time.process_time()
    error = refusal(HOSTILE[name])
    assert error is None or len(str(error)) < 2_000
    assert time.process_time() - start < 3


def test_ten_thousand_digests_are_one_list() -> None:
    digests = [f"{number:064x}" for number in range(10_000)]
    found = one(f"process.file.sha256 in ({', '.join(digests)})")
    assert isinstance(found.test, OneOf)
    assert len(found.test.values) == 10_000


def test_one_value_more_than_the_bound_is_refused() -> None:
    with pytest.raises(QueryError, match="at most 10,000"):
        hunt.parse(f"process.pid in ({', '.join(map(str, range(10_001)))})", now=NOW)


@pytest.mark.parametrize("text", ["\ud800", "file.name:\udfff", "process.env.\ud800:x"])
def test_half_a_character_is_refused_where_it_stands(text: str) -> None:
    error = refusal(text)
    assert error
    assert 0xD800 <= ord(text[error.offset]) <= 0xDFFF
