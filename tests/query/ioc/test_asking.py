"""An IOC file becomes questions, and the questions read back ask the same."""

from __future__ import annotations

import json

import pytest

from vedette.query import ast
from vedette.query.ioc import asking
from vedette.query.ioc.file import read
from vedette.runtime.errors import QueryError

XML = (
    "<?xml version='1.0' encoding='utf-16'?><OpenIOC xmlns='http://openioc.org/schemas/OpenIOC_1.1' id='x'><criteria>"
    "<Indicator operator='OR'><IndicatorItem condition='is'><Context search='FileItem/FileName'/>"
    "<Content type='string'>Привет</Content></IndicatorItem></Indicator></criteria></OpenIOC>"
)
STIX = json.dumps(
    {
        "type": "bundle",
        "objects": [
            {"type": "indicator", "id": f"indicator--{number}", "pattern": pattern}
            for number, pattern in enumerate(
                [
                    "[file:name = 'a' AND file:size > 1]",
                    "[file:name = 'Evil Name=x']",
                    "[domain-name:value = 'x.example']",
                ]
            )
        ],
    }
)
LIST = "evil.example\n10.0.0.0/8\n" + "a" * 64 + "\nfile_name=a;b\n"


@pytest.mark.parametrize("data", [XML.encode("utf-16"), STIX.encode(), LIST.encode()])
def test_questions_ask_what_the_file_asks(data: bytes) -> None:
    found = read(data, "f")
    asked = [asking.parse(text, now=0) for text in asking.questions(found, data)]
    assert set(ast.conditions(ast.any_of(*asked))) == set(ast.conditions(ast.any_of(*found.nodes())))


def test_a_big_list_is_asked_in_portions_of_bounded_size() -> None:
    data = "\n".join(f"http://evil.example/{'x' * 200}/{n}" for n in range(6_000)).encode()
    texts = list(asking.questions(read(data, "f"), data))
    assert len(texts) == 3
    assert all(len(text) < ast.MAX_TEXT for text in texts)
    with pytest.raises(QueryError, match="portions"):
        asking.parse("\n".join(f"h{n}.example" for n in range(asking.MOST + 1)), now=0)


def test_what_is_left_out_is_said_with_its_line() -> None:
    assert asking.left_out("evil.example\n" + "0" * 40) == (
        "not matched: line 2: digest of 40 digits: no event carries it; MD5 and SHA-256 are",
    )
    with pytest.raises(QueryError, match="nothing in it"):
        asking.parse("0" * 40, now=0)
