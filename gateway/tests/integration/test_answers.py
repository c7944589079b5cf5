"""What every answer says about itself, wherever it comes from."""

from __future__ import annotations

from typing import Any

import pytest

JSON = "application/json"
PROBLEM = "application/problem+json"
PAGE = "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "media_type"),
    [
        ("GET", "/.well-known/oauth-authorization-server", JSON),
        ("GET", "/.well-known/oauth-protected-resource", JSON),
        ("GET", "/.well-known/api-catalog", "application/linkset+json"),
        ("GET", "/oauth/jwks", JSON),
        ("POST", "/oauth/token", JSON),
        ("POST", "/oauth/par", JSON),
        ("POST", "/oauth/introspect", JSON),
        ("POST", "/oauth/register", JSON),
        ("GET", "/oauth/userinfo", PROBLEM),
        ("GET", "/oauth/authorize", PAGE),
        ("GET", "/login", PAGE),
        ("GET", "/docs", PAGE),
        ("GET", "/openapi.json", JSON),
        ("GET", "/health", JSON),
        ("GET", "/nobody", PROBLEM),
        ("TRACE", "/enrolment/v1/calls", PROBLEM),
        ("GET", "/gateway/v1/clients", PROBLEM),
        ("GET", "/enrolment/v1/applications", PROBLEM),
        ("GET", "/assets/cme.css", "text/css; charset=utf-8"),
    ],
)
def test_every_answer_says_what_it_is(gateway: Any, method: str, path: str, media_type: str) -> None:
    answer = gateway.http.request(method, path)

    assert answer.headers["content-type"].startswith(media_type), answer.text
    assert answer.content
    if media_type == JSON:
        answer.json()


def test_no_answer_names_its_software(gateway: Any) -> None:
    for path in ("/login", "/oauth/jwks", "/nobody", "/enrolment/v1/calls"):
        assert not {"server", "x-powered-by"} & set(gateway.http.get(path).headers)
