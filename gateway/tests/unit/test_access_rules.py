"""Every handler's signature says who may call it, and every form is one of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cme_kit.openapi import api_routes, requirement_of
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from gateway.accounts.people import form_of_ours, signed_in_person
from gateway.app import build
from gateway.settings import Settings

#: What applications send by themselves, with credentials of their own, or from their own page.
NO_FORMS = ("/oauth/",)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[APIRoute]:
    values = {
        "public_url": "http://cme.example",
        "mongo_url": "mongodb://cme.example",
        "nats_url": "nats://cme.example",
        "nats_user": "gateway",
        "nats_password": "none",
        "upstreams": {},
        "signing_keys_dir": Path(tmp_path_factory.mktemp("keys")),
        "client_secret_pepper": "a pepper of the tests",
        "bootstrap_client_id": "bootstrap",
        "bootstrap_client_secret": "a secret of the tests",
    }
    found = api_routes(build(Settings.model_validate(values)).own)
    assert len(found) > 40  # a list that lost its routes would prove nothing
    return found


def called_by(route: APIRoute) -> Iterator[Callable[..., Any]]:
    """Everything that a route depends on."""
    pending: list[Dependant] = [route.dependant]
    while pending:
        dependant = pending.pop()
        if dependant.call is not None:
            yield dependant.call
        pending.extend(dependant.dependencies)


def test_every_route_says_who_may_call_it(routes: list[APIRoute]) -> None:
    without = [
        f"{route.methods} {route.path}"
        for route in routes
        if requirement_of(route) is None and signed_in_person not in called_by(route)
    ]

    assert without == []


def test_every_form_is_bound_to_the_browser_that_got_it(routes: list[APIRoute]) -> None:
    """A public POST that is no API is a form, and a cookie alone proves no intention (OWASP ASVS 5.0, 3.5.1)."""
    without = []
    for route in routes:
        requirement = requirement_of(route)
        by_browser = not route.include_in_schema and (requirement is None or not requirement.scopes)
        if "POST" not in (route.methods or ()) or not by_browser or route.path.startswith(NO_FORMS):
            continue
        if form_of_ours not in called_by(route):
            without.append(route.path)

    assert without == ["/consent"], "the consent page checks its form itself, to say in words what it was about"
