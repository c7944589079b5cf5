"""Asking what a token is (RFC 7662)."""

from __future__ import annotations

from typing import Any

import pytest

from .signers import KeyClient

PATH = "/oauth/introspect"
INACTIVE = {"active": False}


def ask(gateway: Any, client: tuple[str, str], token: str) -> Any:
    return gateway.http.post(PATH, data={"token": token}, auth=client)


def a_token(gateway: Any, client: tuple[str, str]) -> str:
    return str(gateway.client_credentials(client).json()["access_token"])


def test_a_client_asks_about_its_own_token(gateway: Any) -> None:
    client = gateway.machine("operations:read")
    answer = ask(gateway, client, a_token(gateway, client))

    body = answer.json()
    assert (answer.status_code, answer.headers["cache-control"], body["active"]) == (200, "no-store", True)
    assert (body["client_id"], body["sub"], body["scope"]) == (client[0], client[0], "operations:read")
    assert (body["iss"], body["aud"], body["token_type"]) == (gateway.url, gateway.url, "Bearer")
    assert {"exp", "jti"} <= set(body)


def test_an_api_asks_about_the_tokens_that_are_for_it(gateway: Any) -> None:
    api, client = gateway.machine("gateway.tokens:introspect"), gateway.machine()

    assert ask(gateway, api, a_token(gateway, client)).json()["active"] is True


def test_a_token_of_another_audience_is_inactive(gateway: Any) -> None:
    test_client = gateway.register(sandbox=True, scopes=["curriculum.catalogue:read"])
    credentials = (test_client["client_id"], test_client["client_secret"])
    token = a_token(gateway, credentials)

    assert ask(gateway, gateway.machine("gateway.tokens:introspect"), token).json() == INACTIVE
    assert ask(gateway, credentials, token).json()["aud"] == f"{gateway.url}/sandbox"


def test_another_clients_token_is_inactive(gateway: Any) -> None:
    token = a_token(gateway, gateway.machine())

    assert ask(gateway, gateway.machine(), token).json() == INACTIVE


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "x" * 4000, "eyJhbGciOiJub25lIn0.e30."])
def test_garbage_is_inactive_and_nothing_else_is_said(gateway: Any, token: str) -> None:
    answer = ask(gateway, gateway.machine(), token)

    assert (answer.status_code, answer.json()) == (200, INACTIVE)


def test_a_revoked_token_is_inactive(gateway: Any) -> None:
    client = gateway.machine()
    token = a_token(gateway, client)
    gateway.http.post("/oauth/revoke", data={"token": token}, auth=client)

    assert ask(gateway, client, token).json() == INACTIVE


def test_a_refresh_token_is_known_to_its_client_alone(gateway: Any, helpers: Any) -> None:
    app = KeyClient(
        gateway,
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=[helpers.callback],
        scopes=["enrolment.people:write"],
    )
    verifier, challenge = helpers.pkce()
    code = gateway.person().allow(app.client_id, challenge)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": helpers.callback}
    refresh = app.post("/oauth/token", {**form, "code_verifier": verifier}).json()["refresh_token"]

    own = app.post(PATH, {"token": refresh}).json()

    assert (own["active"], own["client_id"], own["scope"]) == (True, app.client_id, "enrolment.people:write")
    assert ask(gateway, gateway.machine("gateway.tokens:introspect"), refresh).json() == INACTIVE


def test_nobody_asks_without_authenticating(gateway: Any) -> None:
    client = gateway.machine()
    token = a_token(gateway, client)

    for auth, form in ((None, {"token": token}), ((client[0], "wrong"), {"token": token})):
        refused = gateway.http.post(PATH, data=form, auth=auth)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    public = gateway.http.post(PATH, data={"token": token, "client_id": gateway.app()})
    assert (public.status_code, public.json()["error"]) == (401, "invalid_client")
    nothing = gateway.http.post(PATH, data={}, auth=client)
    assert (nothing.status_code, nothing.json()["error"]) == (400, "invalid_request")
