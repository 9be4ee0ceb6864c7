"""HTTP requests of ClickHouse clients as values."""

import base64
import gzip
from urllib.parse import urlencode

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.errors import AccessDenied
from vedette.store.server.request import password, read


def test_a_statement_may_stand_in_the_body_or_the_address() -> None:
    assert read("", b"SELECT 1").statement == "SELECT 1"
    assert read("query=SELECT+1", b"").statement == "SELECT 1"
    assert read("query=INSERT+INTO+t+VALUES", b"(1)").statement == "INSERT INTO t VALUES\n(1)"


def test_an_inserts_data_are_apart_from_its_statement() -> None:
    data = b"\x00\xff\n binary"
    for request in (
        read("", b"INSERT INTO t (`a`) FORMAT ArrowStream\n" + data),
        read(urlencode({"query": "INSERT INTO t (`a`) FORMAT ArrowStream"}), data),
    ):
        assert request.data == data
        assert request.statement.strip() == "INSERT INTO t (`a`) FORMAT ArrowStream"


def test_values_in_the_body_are_part_of_the_statement() -> None:
    assert read("", b"INSERT INTO t FORMAT Values\n(1)").data == b""


def test_parameters_and_settings_are_told_apart() -> None:
    request = read("param_p0=a%26b&max_execution_time=5&session_id=x&query_id=q&database=vedette", b"SELECT 1")
    assert request.parameters == {"p0": "a&b"}
    assert request.settings == {"max_execution_time": "5"}
    assert (request.query_id, request.database) == ("q", "vedette")


def test_a_setting_that_is_not_listed_is_refused() -> None:
    with pytest.raises(AccessDenied, match="format_schema_path"):
        read("format_schema_path=/x", b"SELECT 1")


def form(fields: dict[str, str]) -> tuple[bytes, str]:
    boundary = "0f3b9c"
    parts = (f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    return ("".join(parts) + f"--{boundary}--\r\n").encode(), f"multipart/form-data; boundary={boundary}"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_long_parameters_come_as_a_form(value: str) -> None:
    body, kind = form({"query": "SELECT {p:String}", "param_p": value})
    request = read("max_threads=1", body, content_type=kind)
    assert request.statement == "SELECT {p:String}"
    assert request.parameters == {"p": value}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"x", "multipart/form-data"),
        (b"--b\r\nno name\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
        (b'--b\r\nname="f"; filename="x"\r\n\r\nx\r\n--b--', "multipart/form-data; boundary=b"),
        (b"\xff\xfe", ""),
    ],
)
def test_a_malformed_body_is_a_value_error(body: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=r"form|decode"):
        read("", body, content_type=kind)


def test_compressed_bodies_are_unpacked() -> None:
    assert read("", zstandard.compress(b"SELECT 1"), encoding="zstd").statement == "SELECT 1"
    assert read("", gzip.compress(b"SELECT 1"), encoding="gzip").statement == "SELECT 1"
    with pytest.raises(ValueError, match="not known"):
        read("", b"", encoding="br")


def test_a_bomb_is_stopped_at_the_limit() -> None:
    with pytest.raises(ValueError, match="larger"):
        read("", zstandard.compress(bytes(129 * 2**20)), encoding="zstd")


def test_the_password_is_found_where_clients_put_it() -> None:
    basic = "Basic " + base64.b64encode(b"vedette:se:cret").decode()
    assert password({"x-clickhouse-key": "secret"}, "") == "secret"
    assert password({"authorization": basic}, "") == "se:cret"
    assert password({}, "password=secret") == "secret"
    assert password({"authorization": "Basic ???"}, "") == ""
    assert password({"authorization": "Bearer x"}, "") == ""
