"""Scripts of other sites at the authorization server (Fetch standard, RFC 9700 section 2.6)."""

from __future__ import annotations

from typing import Any

import pytest

ALLOW = "access-control-allow-origin"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "dpop"}


@pytest.fixture
def spa(gateway: Any) -> str:
    """The origin of a registered app in a browser."""
    origin = "https://app.partner.example"
    gateway.app(origins=[origin], redirect_uris=[f"{origin}/callback"])
    return origin


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource",
        "/oauth/jwks",
    ],
)
def test_what_is_said_to_everybody_may_be_read_by_every_page(gateway: Any, path: str) -> None:
    answer = gateway.http.get(path, headers={"Origin": "https://anybody.example"})

    assert (answer.status_code, answer.headers[ALLOW]) == (200, "*")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par", "/oauth/revoke", "/oauth/userinfo"])
def test_an_app_in_a_browser_calls_from_its_registered_origin(gateway: Any, spa: str, path: str) -> None:
    preflight = gateway.http.options(path, headers={"Origin": spa, **ASKS})
    call = gateway.http.post(path, headers={"Origin": spa})

    assert (preflight.status_code, preflight.headers[ALLOW]) == (204, spa)
    assert "DPoP" in preflight.headers["access-control-allow-headers"]
    assert call.headers[ALLOW] == spa
    assert "DPoP-Nonce" in call.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in call.headers


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/userinfo"])
def test_other_pages_read_nothing(gateway: Any, spa: str, path: str) -> None:
    for origin in ("https://thief.example", f"{spa}.thief.example", "null", spa.upper()):
        for answer in (
            gateway.http.options(path, headers={"Origin": origin, **ASKS}),
            gateway.http.post(path, headers={"Origin": origin}),
        ):
            assert ALLOW not in answer.headers, origin


@pytest.mark.parametrize("path", ["/oauth/authorize", "/login", "/consent", "/account", "/oauth/introspect"])
def test_the_pages_that_people_see_answer_no_other_page(gateway: Any, spa: str, path: str) -> None:
    for answer in (
        gateway.http.options(path, headers={"Origin": spa, **ASKS}),
        gateway.http.get(path, headers={"Origin": spa}),
    ):
        assert ALLOW not in answer.headers
