"""Files of every format: what they give, what of them is left out, and what is refused."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query.ast import MAX_CONDITIONS
from vedette.query.ast import conditions as conditions_of
from vedette.query.ioc.criteria import MAX_PROBLEMS, IocError
from vedette.query.ioc.file import IocFile, read
from vedette.query.ioc.indicators import Kind


def shown(found: IocFile) -> list[tuple[str, str]]:
    return [(one.kind.value, one.text) for one in found.indicators]


def bundle(*patterns: str, **more: object) -> bytes:
    objects = [{"type": "indicator", "id": f"indicator--{n}", "pattern": p, "pattern_type": "stix"} | more
               for n, p in enumerate(patterns)]  # fmt: skip
    return json.dumps({"type": "bundle", "objects": objects}).encode()


def test_a_list_takes_every_kind_and_defanged_forms() -> None:
    text = """
# comment
0C2674C3A97C53082187D930EFB645C2;DEEP PANDA
%s , comment
evil[.]example
hxxp://Evil[.]example:80/Path/#x
hxxps[:]//evil(dot)example/a
203.0.113.0/24
203.0.113.7:8080
2001:DB8::0001
[2001:db8::2]:443
*.sub.example
b\u00fccher.example
""" % ("A" * 64)
    assert shown(read(text.encode(), "l")) == [
        ("md5", "0c2674c3a97c53082187d930efb645c2"),
        ("sha256", "a" * 64),
        ("domain", "evil.example"),
        ("url", "http://evil.example/path"),
        ("url", "https://evil.example/a"),
        ("network", "203.0.113.0/24"),
        ("address", "203.0.113.7"),
        ("address", "2001:db8::1"),
        ("address", "2001:db8::2"),
        ("domain", "sub.example"),
        ("domain", "xn--bcher-kva.example"),
    ]


def test_a_domain_is_exact_where_the_policy_says_so() -> None:
    found = read(b"a.example\n.b.example\n", "l", subdomains=False)
    assert [one.kind for one in found.indicators] == [Kind.HOST, Kind.DOMAIN]


def test_a_name_in_letters_is_looked_for_in_both_spellings() -> None:
    (one,) = read("BÜCHER.example.\n".encode(), "l").indicators
    assert one.values == ("xn--bcher-kva.example", "bücher.example")


def test_what_a_list_cannot_use_is_counted_by_reason() -> None:
    found = read(("a.example\n" + "\n".join(f"{'0' * 39}{digit}" for digit in "123")).encode(), "l")
    assert [(problem.term, problem.line, problem.count) for problem in found.problems] == [
        ("digest of 40 digits", 2, 3)
    ]


def test_problems_are_bounded() -> None:
    found = read(("a.example\n" + "\n".join(f"not one {n}" for n in range(3 * MAX_PROBLEMS))).encode(), "l")
    assert len(found.problems) == MAX_PROBLEMS + 1
    assert sum(problem.count for problem in found.problems) == 3 * MAX_PROBLEMS


def test_stix_equalities_are_indicators_and_the_rest_are_rules() -> None:
    found = read(bundle("[domain-name:value = 'Evil.example']", "[ipv4-addr:value = '10.0.0.0/8']",
                        "[file:hashes.'SHA-256' = '%s']" % ("A" * 64),
                        "[file:name = 'a' AND file:size > 5]", "[process:name NOT IN ('a','b')]"), "s")  # fmt: skip
    assert shown(found) == [("host", "evil.example"), ("network", "10.0.0.0/8"), ("sha256", "a" * 64)]
    assert len(found.rules) == 2
    assert all(rule.node is not None for rule in found.rules)


@pytest.mark.parametrize(
    ("pattern", "term"),
    [
        ("[a:b = 'x']", "a:b"),
        ("[file:name = 'a'] FOLLOWEDBY [file:name = 'b']", "FOLLOWEDBY"),
        ("[file:name = 'a'] AND [file:name = 'b']", "AND of observations"),
        ("[file:name = 'a'] REPEATS 5 TIMES", "REPEATS"),
        ("[file:name = 'a'] START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'", "START ... STOP"),
        ("[file:hashes.MD5 = 'short']", "FileItem/Md5sum"),
        ("[file:name MATCHES '(?=a)b']", "FileItem/FileName"),
    ],
)
def test_what_one_event_cannot_answer_is_listed(pattern: str, term: str) -> None:
    found = read(bundle(pattern, "[file:name = 'ok']"), "s")
    assert [problem.term for problem in found.problems] == [term]


def test_what_a_stix_bundle_cannot_use_has_its_line() -> None:
    text = json.dumps(json.loads(bundle("[file:name = 'a']", "[a:b = 'x']", "[file:name =")), indent=1)
    found = read(text.encode(), "s")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if '"pattern":' in line]
    assert [(problem.term, problem.line) for problem in found.problems] == [
        ("indicator--2", lines[2]),
        ("a:b", lines[1]),
    ]


@pytest.mark.parametrize(
    "data",
    [
        bundle("[a:b = 'x']"),
        bundle("[" + "(" * 2_000 + "file:name = 'a'" + ")" * 2_000 + "]"),
        bundle("[file:name = 'a'"),
        bundle("[file:name = '" + "a" * 70_000 + "'"),
        bundle("[file:name = 'a']", pattern_type="yara"),
        bundle("[file:name = 'a']", revoked=True),
        b'{"type": "bundle"}',
        b'{"type": "other"}',
        b"{" * 100_000,
        b'{"Event": {"Attribute": [{"type": "md5", "value": 5}, {"type": "md5"}, 7]}}',
        b"da39a3ee5e6b4b0d3255bfef95601890afd80709\n",
        b"",
        b"\x00\xff\xfe",
    ],
)
def test_a_file_that_nothing_could_ever_match_is_refused(data: bytes) -> None:
    with pytest.raises(IocError):
        read(data, "f")


def test_misp_attributes_and_objects_are_indicators_where_marked() -> None:
    event = {"Event": {
        "Attribute": [
            {"type": "ip-dst|port", "value": "203.0.113.5|443", "to_ids": True},
            {"type": "domain", "value": "evil[.]example", "to_ids": True},
            {"type": "domain", "value": "fine.example", "to_ids": False},
            {"type": "mutex", "value": "x", "to_ids": True},
        ],
        "Object": [{"name": "file", "Attribute": [
            {"type": "filename|md5", "value": "svchost.exe|" + "a" * 32, "to_ids": True},
            {"type": "sha256", "value": "B" * 64, "to_ids": True},
        ]}],
    }}  # fmt: skip
    found = read(json.dumps({"response": [event]}).encode(), "m")
    assert shown(found) == [
        ("address", "203.0.113.5"), ("domain", "evil.example"), ("md5", "a" * 32), ("sha256", "b" * 64),
    ]  # fmt: skip
    assert [(problem.term, problem.count) for problem in found.problems] == [("domain", 1), ("mutex", 1)]


def test_a_big_list_comes_in_portions() -> None:
    found = read("\n".join(f"h{n}.example" for n in range(12_000)).encode(), "l")
    nodes = list(found.nodes())
    assert len(nodes) == 3
    assert all(sum(1 for _ in conditions_of(node)) <= MAX_CONDITIONS for node in nodes)


@given(st.binary(max_size=300))
def test_no_bytes_crash_a_reader(data: bytes) -> None:
    for start in (b"", b"<", b"{", b'{"type":"bundle","objects":[', b'{"Event":'):
        with suppress(IocError):
            read(start + data, "f")


def test_real_files_load_and_list_what_they_cannot_match(shared_data: Path) -> None:
    files = sorted(
        [*(shared_data / "ioc").glob("openioc/*/*.ioc"), *(shared_data / "ioc").glob("stix21-amnesty/*.stix2")]
    )
    assert files
    found = {file.name: read(file.read_bytes(), file.name) for file in files}
    assert sum(len(one.rules) + len(one.indicators) for one in found.values()) > 3_000
    listed = {problem.term for one in found.values() for problem in one.problems}
    assert {"ProcessItem/HandleList/Handle/Name", "email-addr:value", "android-property:name"} <= listed


def test_a_file_of_many_comparisons_is_asked_in_portions() -> None:
    context = "<Context search='FileItem/FullPath'/>"
    items = "".join(
        f"<IndicatorItem condition='contains'>{context}<Content>x{n}</Content></IndicatorItem>" for n in range(1_000)
    )
    inner = f"<criteria><Indicator operator='OR'>{items}</Indicator></criteria>"
    text = f"<OpenIOC xmlns='http://openioc.org/schemas/OpenIOC_1.1'>{inner}</OpenIOC>"
    (rule,) = read(text.encode(), "many").rules
    sizes = [sum(1 for _ in conditions_of(node)) for node in read(text.encode(), "many").nodes()]
    assert len(sizes) > 1
    assert max(sizes) <= MAX_CONDITIONS
    assert rule.node is not None
    assert sum(sizes) == sum(1 for _ in conditions_of(rule.node))


def groups(operator: str, items: list[str]) -> bytes:
    inner = f"<criteria><Indicator operator='{operator}'>{''.join(items)}</Indicator></criteria>"
    return f"<OpenIOC xmlns='http://openioc.org/schemas/OpenIOC_1.1'>{inner}</OpenIOC>".encode()


def item(term: str, value: str, condition: str = "is") -> str:
    context = f"<Context search='{term}'/><Content>{value}</Content>"
    return f"<IndicatorItem condition='{condition}'>{context}</IndicatorItem>"


@pytest.mark.parametrize(
    "data",
    [
        groups("OR", [item(f"FileItem/Md5sun{n}", "x") for n in range(9_000)]),
        groups("AND", [item(f"{kind}Item/{'Username' if kind != 'Process' else 'name'}", f"x{n}")
                       for n in range(3_000) for kind in ("File", "Process", "User")]),
        groups("OR", [item("FileItem/FullPath", f"(a|b){n}[a-z]+" * 40, "matches") for n in range(800)]),
    ],
)  # fmt: skip
def test_hostile_files_are_read_in_bounded_time(data: bytes) -> None:
    start = time.process_time()
    with suppress(IocError):
        read(data, "hostile")
    assert time.process_time() - start < 10
