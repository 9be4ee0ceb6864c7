"""Secrets in scripts."""

from __future__ import annotations

import re
import time
from fnmatch import translate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.environment import Environments
from vedette.agent.linux.secrets import redacted
from vedette.schema.policies import SECRET_NAMES

HIDE = Environments(SECRET_NAMES).redacted


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("export DB_PASSWORD=hunter2; run", "export DB_PASSWORD=<redacted>; run"),
        ('token = "a b"\nx=1', "token = <redacted>\nx=1"),
        ("{'api_key': 'abc', 'n': 1}", "{'api_key': <redacted>, 'n': 1}"),
        ("config[\"secret\"] = 'x'", 'config["secret"] = <redacted>'),
        ("mysql --password hunter2 -h db", "mysql --password <redacted> -h db"),
        ("tool --access-key=AKIA -v", "tool --access-key=<redacted> -v"),
        ("url='https://h/?token=abc&x=1'", "url='https://h/?token=<redacted>&x=1'"),
        ('password="not closed\nnext', "password=<redacted>\nnext"),
        ("password => 'x',", "password => <redacted>,"),
        ("name=value; --verbose yes", "name=value; --verbose yes"),
    ],
)
def test_values_of_secrets_are_hidden_and_the_rest_stays(script: str, shown: str) -> None:
    assert HIDE(script) == shown


@given(st.text(max_size=300))
def test_without_secrets_every_text_stays_as_it_is(script: str) -> None:
    assert redacted(script, lambda _: False) == script


@pytest.mark.parametrize("script", ["a=" * 4096, "-" * 8192, "a" * 8192, "a" + " " * 8191, 'a="' * 2048, "--a " * 2048])
def test_no_text_takes_long(script: str) -> None:
    began = time.process_time()
    HIDE(script)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("pattern", ["*pin*", "p?n_code", "[pq]in*", "*", "pin[", "*_x-y*"])
@given(script=st.text(alphabet="pinq_xyc-=: 1", max_size=40))
def test_a_quick_look_for_secrets_overlooks_none(pattern: str, script: str) -> None:
    name = re.compile(translate(pattern))
    assert Environments((pattern,)).redacted(script) == redacted(script, lambda one: name.match(one) is not None)


def test_other_rules_hold_for_scripts_that_were_read_before() -> None:
    environments = Environments(("pin",))
    assert environments.redacted("pin=1; token=2") == "pin=<redacted>; token=2"
    environments.apply(("token",), keep=True)
    assert environments.redacted("pin=1; token=2") == "pin=1; token=<redacted>"
