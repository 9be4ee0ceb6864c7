"""Environments without the values of secrets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.environment import Environments
from vedette.agent.linux.secrets import REDACTED
from vedette.schema.policies import SECRET_NAMES


def test_secrets_keep_their_name_and_lose_their_value() -> None:
    raw = b"PATH=/bin\0AWS_SECRET_ACCESS_KEY=abc\0github_Token=x=y\0EMPTY=\0DB_PASSWORD=p\0"
    assert Environments(SECRET_NAMES).of(raw) == {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": REDACTED,
        "github_Token": REDACTED,
        "EMPTY": "",
        "DB_PASSWORD": REDACTED,
    }


def test_an_inherited_environment_is_one_object() -> None:
    environments = Environments(())
    assert environments.of(b"A=1\0") is environments.of(b"A=1\0")


def test_without_patterns_nothing_is_redacted() -> None:
    assert Environments(()).of(b"TOKEN=t\0") == {"TOKEN": "t"}


def test_environments_can_be_left_out() -> None:
    assert Environments((), keep=False).of(b"A=1\0") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    variables = Environments(("*secret*",)).of(raw)
    assert variables is not None
    assert all(variables)


def test_no_value_of_a_secret_comes_through_by_case_or_affix() -> None:
    raw = b"".join(b"%b=hidden\0" % name for name in (b"MySecret", b"SECRET", b"x_secret_y"))
    assert "hidden" not in str(Environments(("*secret*",)).of(raw))


def test_other_rules_hide_what_was_read_before_in_the_same_map() -> None:
    environments = Environments(())
    before = environments.of(b"A=1\0PIN=2\0")
    assert before == {"A": "1", "PIN": "2"}
    environments.apply(("pin",), keep=True)
    environments.hide(before)
    assert before == {"A": "1", "PIN": REDACTED}
    assert environments.of(b"A=1\0PIN=2\0") == {"A": "1", "PIN": REDACTED}


def test_environments_that_are_not_kept_any_more_lose_all_values() -> None:
    environments = Environments(())
    before = environments.of(b"A=1\0")
    assert before is not None
    environments.apply((), keep=False)
    environments.hide(before)
    assert before == {"A": REDACTED}
    assert environments.of(b"A=1\0") is None
