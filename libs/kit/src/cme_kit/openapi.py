"""The OpenAPI document of a service, with each operation's access rule and the problem document of every error."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from cme_kit.auth import Requirement
from cme_kit.problems import MEDIA_TYPE

SECURITY_SCHEME = "oauth2"


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every endpoint of an app, those of included routers too, which `app.routes` does not list."""
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in routes if isinstance(route, APIRoute)]


def requirement_of(route: APIRoute) -> Requirement | None:
    """The access rule in a route's signature, or None when it has none (which a test forbids)."""
    pending: list[Dependant] = [route.dependant]
    while pending:
        dependant = pending.pop()
        if isinstance(dependant.call, Requirement):
            return dependant.call
        pending.extend(dependant.dependencies)
    return None


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The document (OpenAPI 3.1): one of several scopes is several security requirements, public is an empty list."""
    document = app.openapi()
    for route in api_routes(app):
        if not route.include_in_schema:
            continue
        requirement = requirement_of(route)
        scopes = requirement.scopes if requirement else ()
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["security"] = [{SECURITY_SCHEME: [scope]} for scope in scopes]
            operation["operationId"] = f"{route.tags[0] if route.tags else 'service'}_{route.name}"
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")) and "application/json" in answer.get("content", {}):
                    answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return document
