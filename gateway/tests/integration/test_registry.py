"""Registering clients and creating accounts."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

CLIENTS, ACCOUNTS = "/gateway/v1/clients", "/gateway/v1/accounts"


def a_client(**changes: Any) -> dict[str, Any]:
    return {
        "client_id": f"client-{secrets.token_hex(5)}",
        "name": "A test client",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scopes": ["operations:read"],
    } | changes


def an_account(**changes: Any) -> dict[str, Any]:
    username = f"{secrets.token_hex(5)}@example.org"
    return {"username": username, "password": "correct horse", "display_name": "Ona", "roles": ["reader"]} | changes


def test_a_repeated_registration_gets_the_same_secret_and_no_second_client(gateway: Any) -> None:
    headers, body = gateway.registrar() | {"Idempotency-Key": secrets.token_hex(8)}, a_client()

    first, again = (gateway.http.post(CLIENTS, json=body, headers=headers) for _ in range(2))
    other_body = gateway.http.post(CLIENTS, json=a_client(), headers=headers)

    assert (first.status_code, again.status_code, other_body.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert gateway.client_credentials((body["client_id"], first.json()["client_secret"])).status_code == 200


def test_secrets_differ_between_clients(gateway: Any) -> None:
    assert gateway.machine()[1] != gateway.machine()[1]


def test_a_taken_client_id_and_a_taken_username_are_conflicts(gateway: Any) -> None:
    headers, client, account = gateway.registrar(), a_client(), an_account()
    gateway.http.post(CLIENTS, json=client, headers=headers)
    gateway.http.post(ACCOUNTS, json=account, headers=headers)

    again = gateway.http.post(CLIENTS, json=client, headers=headers)
    capitals = gateway.http.post(ACCOUNTS, json=account | {"username": account["username"].upper()}, headers=headers)

    assert (again.status_code, again.json()["code"]) == (409, "client_exists")
    assert (capitals.status_code, capitals.json()["code"]) == (409, "username_taken")


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": ["no.such:scope"]},
        {"scopes": []},
        {"unknown": 1},
        {"client_id": "a b"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "none"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}},
        {"grant_types": ["password"]},
        {"grant_types": ["authorization_code"]},
        {"grant_types": ["authorization_code"], "redirect_uris": ["http://evil.example/callback"]},
        {"grant_types": ["authorization_code"], "redirect_uris": ["https://user@app.example/"]},
        {"grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/#a"]},
        {"grant_types": ["authorization_code"], "redirect_uris": ["javascript:alert(1)"]},
        {"organisation_id": "somebody"},
    ],
)
def test_clients_that_make_no_sense_are_refused(gateway: Any, changes: dict[str, Any]) -> None:
    answer = gateway.http.post(CLIENTS, json=a_client(**changes), headers=gateway.registrar())

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "changes", [{"password": "s3crt"}, {"roles": ["root"]}, {"roles": []}, {"username": "a b"}, {"subject": "per_1"}]
)
def test_accounts_that_make_no_sense_are_refused(gateway: Any, changes: dict[str, Any]) -> None:
    answer = gateway.http.post(ACCOUNTS, json=an_account(**changes), headers=gateway.registrar())

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "s3crt" not in answer.text


def test_only_a_registrar_registers_and_lists(gateway: Any) -> None:
    stranger = gateway.bearer(gateway.machine())

    for path, body in ((CLIENTS, a_client()), (ACCOUNTS, an_account())):
        assert gateway.http.post(path, json=body).status_code == 401
        assert gateway.http.post(path, json=body, headers=stranger).status_code == 403
        assert gateway.http.get(path, headers=stranger).status_code == 403


def test_lists_have_pages_and_no_secrets(gateway: Any) -> None:
    headers = gateway.registrar()
    gateway.person(), gateway.machine()

    for path in (CLIENTS, ACCOUNTS):
        answer = gateway.http.get(f"{path}?limit=1", headers=headers)
        assert len(answer.json()["items"]) == 1
        assert not {"client_secret", "secret_hash", "password", "password_hash"} & set(answer.json()["items"][0])
