"""Every handler's signature states who may call it."""

import importlib
from typing import Any

import pytest
from cme_kit.auth import Requirement
from cme_kit.http import if_match
from cme_kit.openapi import api_routes, requirement_of
from fastapi.routing import APIRoute
from pydantic import SecretStr

SERVICES = ("enrolment", "curriculum", "assessment", "credentials", "outreach")


def app_of(service: str) -> Any:
    settings = importlib.import_module(f"{service}.settings").Settings
    values: dict[str, Any] = {
        "public_url": "http://cme.example",
        "jwks_url": "http://cme.example/oauth/jwks",
        "mongo_url": SecretStr("mongodb://cme.example"),
        "nats_url": "nats://cme.example",
        "nats_user": service,
        "nats_password": SecretStr("none"),
        "upstreams": {},
    }
    values = {name: value for name, value in values.items() if name in settings.model_fields}
    for name, field in settings.model_fields.items():
        if field.is_required() and name not in values:
            values[name] = SecretStr("none" * 16) if field.annotation is SecretStr else "none"
    built = importlib.import_module(f"{service}.app").build(settings(**values))
    return getattr(built, "own", built)


def routes(service: str) -> list[APIRoute]:
    found = api_routes(app_of(service))
    assert len(found) > 5  # a list that lost its routes would prove nothing
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_has_a_rule(service: str) -> None:
    without = [f"{route.methods} {route.path}" for route in routes(service) if requirement_of(route) is None]

    assert without == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_route_that_writes_with_the_api_is_public_by_accident(service: str) -> None:
    meant = {
        "/credentials/v1/verification",
        "/verify",
        "/outreach/unsubscribe/{token}",
        "/outreach/interest/{token}",
    }
    public = {
        route.path
        for route in routes(service)
        if not (requirement_of(route) or ()).scopes and route.methods & {"POST", "PUT", "PATCH", "DELETE"}
    }

    assert public <= meant


@pytest.mark.parametrize("service", SERVICES)
def test_scopes_are_named_after_their_service(service: str) -> None:
    for route in routes(service):
        requirement = requirement_of(route)
        assert requirement is not None
        for scope in requirement.scopes:
            assert scope in {"operations:read", "operations:write"} or scope.startswith(f"{service}."), (
                f"{route.path}: {scope}"
            )


@pytest.mark.parametrize("service", SERVICES)
def test_every_endpoint_explains_itself(service: str) -> None:
    undocumented = [route.path for route in routes(service) if route.include_in_schema and not route.description]

    assert undocumented == []


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_who_has_no_token_learns_nothing_about_revisions(service: str) -> None:
    def order(route: APIRoute) -> list[Any]:
        return [dependant.call for dependant in route.dependant.dependencies]

    changing = [order(route) for route in routes(service) if if_match in order(route)]

    # What was issued is never changed, only revoked.
    assert bool(changing) == (service != "credentials")
    for calls in changing:
        assert any(isinstance(call, Requirement) for call in calls[: calls.index(if_match)])
