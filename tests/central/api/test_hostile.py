"""Whatever comes in, no request makes a fault, and the audit log stays whole."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.central.api.conftest import Api, RealStore

from vedette.central.api.app import bare
from vedette.central.api.openapi import document
from vedette.central.api.parts import Limits
from vedette.schema.access import Role

ROUTES = [route for route in bare(Limits()).routes if isinstance(route, APIRoute)]
STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**64, 1e308, "", "a", "\0", "*", "é" * 300, "' OR 1=1 --", "../../etc/passwd", "\u202e",
    "default", "x" * 70_000, [], [None], ["\0"], ["a"] * 200, {}, {"a": {"b": []}}, "now-1h", "9" * 40, "event.time",
)  # fmt: skip
PATHS = ("%00", "..%2f..%2fetc", "x" * 500, "%F0%9F%92%A9", "default", "0" * 32, "*", "'")


def body_of(operation: dict[str, Any], chance: random.Random) -> Any:
    """Give a body that has some of the members that the operation takes, with values that mostly do not fit."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    members = list(document()["components"]["schemas"].get(reference, {}).get("properties", {}))
    kind = chance.random()
    if kind < 0.1:
        return chance.choice(STRANGE)
    if kind < 0.3:
        return {}  # what is left out has a default: some requests must succeed
    chosen = chance.sample(members, chance.randint(0, len(members)))
    return {name: chance.choice(STRANGE) for name in chosen} | ({"surplus": 1} if kind < 0.4 else {})


def request(client: httpx.Client, route: APIRoute, chance: random.Random) -> httpx.Response:
    """Call a route with chance for values."""
    operation = document()["paths"][route.path][min(route.methods or ["get"]).lower()]
    path = route.path.removeprefix("/api/v1")
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + chance.choice(PATHS) + rest.partition("}")[2]
    names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    params = {name: str(chance.choice(STRANGE))[:2000] for name in names if chance.random() < 0.5}
    json = body_of(operation, chance) if "requestBody" in operation else None
    return client.request(min(route.methods or ["GET"]), path, params=params, json=json)


def test_no_request_makes_a_fault(api: Api, real_store: RealStore) -> None:
    api.store.answer = real_store.ask
    chance = random.Random(7)
    client = api.caller(Role.ADMINISTRATOR)
    seen: set[int] = set()
    for _ in range(16):
        for route in ROUTES:
            if route.path.endswith("/stream"):
                continue  # never ends
            api.clock.now += 10_000_000
            answer = request(client, route, chance)
            assert answer.status_code < 500, (route.path, answer.request.content[:300], answer.request.url, answer.text)
            seen.add(answer.status_code)
            if answer.status_code >= 400:
                assert answer.headers["Content-Type"] == "application/problem+json"
    assert {200, 201, 404, 422} <= seen
    api.audited()


@pytest.mark.parametrize("since", [-(10**18), -(2**63), 0])
@pytest.mark.parametrize("until", [2**53, 2**62, 2**63, "now"])
def test_no_time_is_too_far_away(api: Api, real_store: RealStore, since: int, until: Any) -> None:
    api.store.answer = real_store.ask
    client = api.caller(Role.OFFICER)
    for path in ("/events/search", "/events/count", "/events/histogram"):
        answer = client.post(path, json={"since": since, "until": until})
        assert answer.status_code in {200, 400, 422}, answer.text


def test_changes_at_the_same_time_leave_one_whole_chain(api: Api) -> None:
    clients = [api.client(api.token(api.account(f"a{number}", Role.ADMINISTRATOR))) for number in range(6)]

    def work(number: int) -> list[int]:
        return [clients[number].post("/groups", json={"name": f"g{number}-{step}"}).status_code for step in range(8)]

    with ThreadPoolExecutor(len(clients)) as pool:
        statuses = [status for found in pool.map(work, range(len(clients))) for status in found]
    assert set(statuses) == {201}
    assert len({entry.target for entry in api.audited()}) == 48
