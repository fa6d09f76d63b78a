"""OpenAPI 3.1 of the application, good enough to generate clients from.

Adds to what FastAPI derives: the API key, the Idempotency-Key of what changes something, the problem document
as the answer to whatever goes wrong, and an example of each answer, put together from its fields' examples.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from backend.kit import problems
from backend.kit.web import Route

_REF = "#/components/schemas/"
_PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:tallystick:problem:not-found"]},
        "title": {"type": "string", "examples": ["Not found"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {
            "type": "string",
            "examples": ["There is nothing at this address, or it is not yours to see."],
        },
        "code": {
            "type": "string",
            "description": "Our own code, where `type` is a standard's (under /epcis).",
            "examples": ["not-found"],
        },
        "request_id": {"type": "string", "examples": ["0190b8a7-5c00-7000-8000-000000000001"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any unique text of 1 to 255 characters, the same when the request is repeated.",
    "schema": {"type": "string", "maxLength": 255},
    "example": "3f0c6f2e-5a0b-4d8e-9c58-1f2d3a4b5c6d",
}
_HEX = re.compile(r"\^0x\[0-9a-f\]\{(\d+)\}\$")  # the one pattern that many fields share
_BY_TYPE = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
_BY_FORMAT = {
    "uuid": "0190b8a7-5c00-7000-8000-000000000001",
    "date-time": "2026-03-31T09:30:00Z",
    "date": "2026-03-31",
    "binary": "the bytes of a file",
}


def describe(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The document of `app`, whose routers hold `routes`; made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        schemas["Problem"] = _PROBLEM
        document["components"]["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
        for route in routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in route.methods or ():
                    _complete(document["paths"][route.path_format][method.lower()], route, method, schemas)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any], route: APIRoute, method: str, schemas: Mapping[str, Any]) -> None:
    if isinstance(route, Route):
        operation["security"] = [{"apiKey": []}]
        if method == "POST":
            parameters = operation.setdefault("parameters", [])
            parameters[:] = [each for each in parameters if each["name"].lower() != "idempotency-key"]
            required = not getattr(route.endpoint, "key_optional", False)
            parameters.append(_KEY | {"required": required})
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "What went wrong; nothing was changed.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": _REF + "Problem"}}},
    }
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        for media in body.get("content", {}).values():
            if "example" not in media and "examples" not in media and "schema" in media:
                media["example"] = example(media["schema"], schemas)


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """An instance of a JSON schema, from the examples its parts give."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].removeprefix(_REF)], schemas, depth)
    for given in ("examples", "enum"):
        if schema.get(given):
            return cast("list[Any]", schema[given])[0]
    for given in ("example", "default", "const"):
        if schema.get(given) is not None:
            return schema[given]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return example(schema[choice][0], schemas, depth)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        if depth > 8:
            return {}
        return {
            name: example(part, schemas, depth + 1) for name, part in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [] if depth > 8 else [example(schema.get("items", {}), schemas, depth + 1)]
    return _text(schema) if kind == "string" else _BY_TYPE.get(str(kind), {})


def _text(schema: Mapping[str, Any]) -> str:
    """A string that the schema takes."""
    if (hexadecimal := _HEX.fullmatch(schema.get("pattern", ""))) is not None:
        return "0x" + "5a" * (int(hexadecimal[1]) // 2)
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    return "text".ljust(schema.get("minLength", 0), "…")[: schema.get("maxLength", 1_000)]
