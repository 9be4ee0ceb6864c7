"""The API's description, OpenAPI 3.1: made from the declared routes, so that it cannot say anything else."""

from functools import cache
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from vedette.central.api.caller import COOKIE
from vedette.central.api.parts import Limits
from vedette.central.api.problems import MEDIA_TYPE, Problem
from vedette.central.api.routes import Access, Anyone, Routes, access_of
from vedette.central.api.work import InWork

routes = Routes("description")

_REF = "#/components/schemas/{name}"


@routes.get("/openapi.json", needs=Anyone.SIGNED_IN, answers=dict[str, Any])
def api_description(_work: InWork) -> dict[str, Any]:
    """Describe this API, OpenAPI 3.1."""
    return document()


@cache
def document() -> dict[str, Any]:
    """Give the description; the same for the same code."""
    from vedette.central.api.app import bare

    return describe(bare(Limits()))


def describe(app: FastAPI) -> dict[str, Any]:
    """Describe an application whose routes are all declared."""
    served = [route for route in app.routes if isinstance(route, APIRoute)]
    described = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=served)
    accesses = {route.operation_id: access_of(route) for route in served}
    answers = list({repr(one.answers): one.answers for one in accesses.values() if one.answers}.values())
    shapes, components = msgspec.json.schema_components([*answers, Problem], ref_template=_REF)
    by_answer = {repr(answer): shape for answer, shape in zip(answers, shapes, strict=False)}
    for path in described["paths"].values():
        for operation in path.values():
            access = accesses[operation["operationId"]]
            _complete(operation, access, by_answer.get(repr(access.answers)))
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    described["components"]["schemas"] = dict(sorted(schemas.items()))
    described["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token, vdt_..."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    return described


def _complete(operation: dict[str, Any], access: Access, shape: dict[str, Any] | None) -> None:
    responses = {code: one for code, one in operation["responses"].items() if code.startswith("2")}
    for one in responses.values():
        one["description"] = "Done"
        if shape is None:
            one.pop("content", None)
        else:
            one["content"] = {"application/json": {"schema": shape}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    responses["default"] = {"description": "Refused or failed", "content": problem}
    operation["responses"] = responses
    operation["security"] = [] if access.needs is Anyone.PUBLIC else [{"token": []}, {"session": []}]
    if access.media:
        body = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": {access.media: body}}
    if access.action:
        operation["x-audit-action"] = access.action
