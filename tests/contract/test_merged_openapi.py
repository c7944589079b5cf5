"""The document that the gateway serves, merged from every service's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gateway.app import build
from gateway.edge.routes import route_of
from gateway.oauth.scopes import SCOPES
from gateway.reference.document import METHODS, ApiDocument, committed
from gateway.settings import Settings
from openapi_spec_validator import OpenAPIV31SpecValidator

ISSUER = "http://cme.example"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    values = {
        "public_url": ISSUER,
        "mongo_url": "mongodb://cme.example",
        "nats_url": "nats://cme.example",
        "nats_user": "gateway",
        "nats_password": "no password at all",
        "upstreams": {},
        "signing_keys_dir": Path("/nowhere"),
        "client_secret_pepper": "no pepper at all",
        "bootstrap_client_id": "bootstrap",
        "bootstrap_client_secret": "no secret at all",
    }
    return ApiDocument.merged(build(Settings.model_validate(values)).own, ISSUER).document


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_service_is_in_it(document: dict[str, Any]) -> None:
    services = {path.split("/")[1] for path in document["paths"]}

    assert {"enrolment", "curriculum", "assessment", "credentials", "outreach"} <= set(committed())
    assert set(committed()) | {"gateway"} <= services


def test_every_scope_that_an_operation_asks_for_can_be_granted(document: dict[str, Any]) -> None:
    asked = {
        scope
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in METHODS
        for alternative in operation.get("security", [])
        for scopes in alternative.values()
        for scope in scopes
    }

    assert asked <= set(SCOPES)


def test_the_edge_lets_pass_without_a_token_what_services_answer_without_one(document: dict[str, Any]) -> None:
    different = [
        f"{method} {template}"
        for template, item in document["paths"].items()
        for method in set(item) & set(METHODS)
        if (path := template.replace("{", "").replace("}", "")) and (route := route_of(path)) is not None
        if route.is_public(method.upper(), path) == bool(item[method].get("security"))
    ]

    assert different == []
