"""The description says exactly what is served."""

import json

from fastapi.routing import APIRoute
from tests.central.api.conftest import Api

from vedette.central.api.app import bare
from vedette.central.api.openapi import describe, document
from vedette.central.api.parts import Limits
from vedette.schema.access import Right, Role


def test_every_route_is_described_with_what_it_needs() -> None:
    described = {
        (path, method.upper()): operation
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    }
    served = {(r.path, m) for r in bare(Limits()).routes if isinstance(r, APIRoute) for m in r.methods or ()}
    assert set(described) == served
    needs = {right.value for right in Right} | {"public", "signed_in", "signing_in"}
    for operation in described.values():
        assert operation["x-needs"] in needs
        assert operation["summary"]
        assert (operation["security"] == []) is (operation["x-needs"] == "public")
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(document())
    names = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names
    assert names <= set(document()["components"]["schemas"])


def test_the_description_is_the_same_each_time() -> None:
    assert json.dumps(describe(bare(Limits()))) == json.dumps(document())
    assert document()["openapi"] == "3.1.0"


def test_it_is_served_to_those_who_have_signed_in(api: Api) -> None:
    assert api.client().get("/openapi.json").status_code == 401
    assert api.caller(Role.OFFICER).get("/openapi.json").json() == json.loads(json.dumps(document()))
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert api.client().get(api.url + path).status_code == 404
