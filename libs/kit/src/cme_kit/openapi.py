"""The OpenAPI document of a service: what a signature says is documented, so that nothing is said twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from cme_kit import http
from cme_kit.auth import InsufficientScope, InvalidDpopProof, Requirement, Unauthenticated, UseDpopNonce
from cme_kit.openapi_answers import HEADERS, Document, add_headers, add_refusals, share_answers
from cme_kit.problems import InternalError, InvalidRequest, NotFound, ServiceError, Unavailable
from cme_kit.strict_json import MalformedJson, StrictRoute, UnsupportedMediaType

SECURITY_SCHEME = "oauth2"


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every endpoint of an app, those of included routers too, which `app.routes` does not list."""
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in routes if isinstance(route, APIRoute)]


def requirement_of(route: APIRoute) -> Requirement | None:
    """The access rule in a route's signature, or None when it has none (which a test forbids)."""
    return next((call for call in _dependencies(route) if isinstance(call, Requirement)), None)


def openapi_of(app: FastAPI) -> Document:
    """The document (OpenAPI 3.1): one of several scopes is several security requirements, public is an empty list."""
    document = app.openapi()
    # It is completed below, so the app must not hand out the same once more.
    app.openapi_schema = None
    for route in api_routes(app):
        if not route.include_in_schema:
            continue
        for method in route.methods or ():
            _complete(document["paths"][route.path_format][method.lower()], route)
    components = document.setdefault("components", {})
    for schema in components.get("schemas", {}).values():
        _mark_files(schema)
        _untitle(schema)
    components["headers"] = dict(HEADERS)
    share_answers(document)
    return document


def _untitle(value: Any, *, named: bool = True) -> None:
    """Drop the titles of fields, which say their names again and which generators of clients take for names of types."""
    if isinstance(value, dict):
        if not named and isinstance(value.get("title"), str):
            del value["title"]
        for key, inner in value.items():
            # The names of properties are no keywords, and values are no schemas.
            if key in ("properties", "$defs"):
                for one in inner.values():
                    _untitle(one, named=False)
            elif key not in ("examples", "default", "const", "enum"):
                _untitle(inner, named=False)
    elif isinstance(value, list):
        for inner in value:
            _untitle(inner, named=False)


def _mark_files(value: Any) -> None:
    """Say `format: binary` where FastAPI says `contentMediaType`, which generators of clients do not know yet.

    A file that may be left out is left out: no part of a form is null.
    """
    if isinstance(value, dict):
        files = [one for one in value.get("anyOf", []) if "contentMediaType" in one]
        if files:
            del value["anyOf"]
            value.update(files[0])
        if value.get("contentMediaType") == "application/octet-stream":
            value["format"] = "binary"
        for inner in value.values():
            _mark_files(inner)
    elif isinstance(value, list):
        for inner in value:
            _mark_files(inner)


def _complete(operation: Document, route: APIRoute) -> None:
    """Add what FastAPI does not see: the rules that dependencies of ours enforce."""
    requirement = requirement_of(route)
    scopes = requirement.scopes if requirement else ()
    operation["security"] = [{SECURITY_SCHEME: [scope]} for scope in scopes]
    tag = str(route.tags[0]).replace(" ", "_") if route.tags else "service"
    operation["operationId"] = f"{tag}_{route.name}"
    answers: Document = operation["responses"]
    answers.pop("4XX", None)
    calls = set(_dependencies(route))
    parameters = list(_parameters(operation, required="If-Match" if http.if_match in calls else ""))
    if parameters:
        operation["parameters"] = parameters
    succeeded = [answer for status, answer in answers.items() if status.startswith("2")]
    if http.conditional in calls:
        answers["304"] = {"description": "You have the current representation"}
        succeeded.append(answers["304"])
    for answer in succeeded:
        if http.entity_tag in calls or http.conditional in calls:
            add_headers(answer, "ETag")
        if http.paging in calls:
            add_headers(answer, "Link")
    add_refusals(operation, *_implied(operation, route, calls, scopes))
    operation["responses"] = dict(sorted(answers.items()))


def _implied(
    operation: Document, route: APIRoute, calls: set[Callable[..., Any]], scopes: tuple[str, ...]
) -> Iterator[type[ServiceError]]:
    """The problems that follow from a signature."""
    body = operation.get("requestBody", {}).get("content", {})
    if "application/json" in body and isinstance(route, StrictRoute):
        yield from (MalformedJson, UnsupportedMediaType)
    if http.creation in calls:
        yield from (http.BadIdempotencyKey, http.KeyReused)
    if scopes:
        yield from (Unauthenticated, InvalidDpopProof, UseDpopNonce, InsufficientScope)
    if "{" in route.path_format:
        yield NotFound
    if http.if_match in calls:
        yield from (http.PreconditionRequired, http.PreconditionFailed)
    if route.body_field is not None or any(map(_is_bounded, operation.get("parameters", []))):
        yield InvalidRequest
    yield from (InternalError, Unavailable)


def _parameters(operation: Document, required: str) -> Iterator[Document]:
    """The parameters as they are on the wire: none is null, and a name stands once, whatever its capitals."""
    found: dict[tuple[str, str], Document] = {}
    for parameter in operation.get("parameters", []):
        place = (parameter["in"], parameter["name"].lower())
        schema = {key: value for key, value in parameter["schema"].items() if key not in ("description", "title")}
        alternatives = [one for one in schema.pop("anyOf", []) if one != {"type": "null"}]
        merged = {**schema, **alternatives[0]} if len(alternatives) == 1 else schema
        if len(alternatives) > 1:
            merged["anyOf"] = alternatives
        described = {**parameter, "schema": merged}
        if parameter["name"] == required:
            described["required"] = True
        if place not in found or "description" not in found[place]:
            found[place] = described
    for described in found.values():
        if "description" not in described and (text := _described(described)):
            described["description"] = text
        yield described


def _described(parameter: Document) -> str | None:
    """What a parameter means whose name says it."""
    name: str = parameter["name"]
    if name.endswith("_id"):
        thing = name.removesuffix("_id").replace("_", " ")
        return f"Id of the {thing}" if parameter["in"] == "path" else f"Only those of this {thing}"
    return (
        {"state": "Only those in this state", "kind": "Only this kind"}.get(name)
        if parameter["in"] == "query"
        else None
    )


def _is_bounded(parameter: Document) -> bool:
    """Whether some text is refused as this parameter; headers of ours have refusals of their own."""
    schema = parameter["schema"]
    free = schema.get("type") == "string" and not set(schema) - {"type", "title", "default", "description", "examples"}
    return parameter["in"] != "header" and not free


def _dependencies(route: APIRoute) -> Iterator[Callable[..., Any]]:
    pending: list[Dependant] = [route.dependant]
    while pending:
        dependant = pending.pop()
        if dependant.call is not None:
            yield dependant.call
        pending.extend(dependant.dependencies)
