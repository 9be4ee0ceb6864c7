"""Errors as problems, and the headers of every answer."""

import logging
from collections.abc import Iterator

import httpx
import pytest
from tests.central.api.conftest import Api

from vedette.central.api.headers import SECURITY_HEADERS
from vedette.query.statement import Statement
from vedette.runtime.errors import StoreError
from vedette.schema.access import Role
from vedette.store.events import EventStoreError


def broken(_statement: Statement) -> list[tuple[object, ...]]:
    """Fail as only a fault does."""
    raise ZeroDivisionError("secret detail")


def away(_statement: Statement) -> list[tuple[object, ...]]:
    """Fail as a store that is away does."""
    raise StoreError("connection to 127.0.0.1:1 refused")


def limited(_statement: Statement) -> list[tuple[object, ...]]:
    """Fail as a statement does that is too expensive."""
    raise EventStoreError("too slow", code=159)


def assert_headers(answer: httpx.Response) -> None:
    """See that the answer has every security header and does not name the server's software."""
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("GET", "/none", None, 404, "not-found"),
        ("PATCH", "/hosts", None, 405, "method-not-allowed"),
        ("GET", "/hosts/none", None, 404, "not-found"),
        ("POST", "/events/search", "{", 422, "invalid"),
        ("POST", "/events/search", '{"quarry": ""}', 422, "invalid"),
        ("POST", "/events/search", '{"limit": "7"}', 422, "invalid"),
        ("POST", "/events/search", '{"query": "no.field:1"}', 400, "query"),
        ("POST", "/events/search", '{"query": "(("}', 400, "query"),
        ("POST", "/events/search", '{"since": "soon"}', 422, "invalid"),
        ("POST", "/events/search", '{"since": 5, "until": 5}', 422, "invalid"),
        ("POST", "/events/search", '{"cursor": "!"}', 400, "query"),
        ("POST", "/events/search", '{"language": "sql"}', 422, "invalid"),
        ("POST", "/events/search", '{"columns": ["no.field"]}', 400, "query"),
        ("GET", "/processes/xyz/tree", None, 422, "invalid"),
        ("GET", "/processes/" + "0" * 32 + "/tree", None, 404, "not-found"),
    ],
)
def test_what_is_wrong_has_its_own_problem(
    api: Api, method: str, path: str, body: str | None, status: int, word: str
) -> None:
    client = api.caller(Role.ADMINISTRATOR)
    answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:vedette:problem:{word}"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert_headers(answer)


def test_a_query_that_cannot_be_understood_is_pointed_at(api: Api) -> None:
    answer = api.caller(Role.OFFICER).post("/events/search", json={"query": "user.name:x AND\nprocess.pidd:1"})
    problem = answer.json()
    assert (problem["line"], problem["column"], problem["offset"]) == (2, 1, 16)
    assert "process.pid" in problem["suggestions"]


def test_a_fault_tells_only_its_trace(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.store.answer = broken
    with caplog.at_level(logging.ERROR):
        answer = api.caller(Role.OFFICER).post("/events/count", json={})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["trace"] in caplog.text
    assert "secret detail" in caplog.text
    assert_headers(answer)


def test_a_store_that_is_away_is_a_503_without_its_address(api: Api) -> None:
    api.store.answer = away
    client = api.caller(Role.OFFICER)
    answer = client.post("/events/count", json={})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "127.0.0.1" not in answer.text
    assert api.client().get("/ready").status_code == 503
    assert api.client().get("/health").status_code == 200


def test_a_tree_that_is_too_expensive_says_so(api: Api) -> None:
    api.store.answer = limited
    answer = api.caller(Role.OFFICER).get("/processes/" + "0" * 32 + "/tree")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:vedette:problem:limit")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(api: Api) -> None:
    client = api.caller(Role.OFFICER)
    size = api.parts.limits.body + 1
    answer = client.post("/events/search", content=b"x" * size, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"

    def endless() -> Iterator[bytes]:
        for _ in range(size // 65536 + 2):
            yield b"x" * 65536

    answer = client.post("/events/search", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:vedette:problem:too-large")


def test_a_form_is_no_json(api: Api) -> None:
    answer = api.client().post(
        "/login", content='{"name": "a", "password": "b"}', headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 422


def test_more_searches_than_places_are_told_to_come_back(api: Api) -> None:
    client = api.caller(Role.OFFICER)
    for _ in range(api.parts.limits.searches):
        api.parts.searching.acquire()
    answer = client.post("/events/count", json={})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
