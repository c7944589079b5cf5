"""Tokens that are bound to a key (RFC 9449), at the token endpoint and at the edge."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .signers import Key, KeyClient

TOKEN = "/oauth/token"
API = "/enrolment/v1/applications/app_1"
CREDENTIALS = {"grant_type": "client_credentials"}


def test_a_proof_binds_the_token_to_its_key(gateway: Any) -> None:
    client = gateway.machine()
    key = Key()

    answer = gateway.http.post(
        TOKEN, data=CREDENTIALS, auth=client, headers={"DPoP": key.proof("POST", gateway.url + TOKEN)}
    )

    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    asked = gateway.http.post("/oauth/introspect", data={"token": answer.json()["access_token"]}, auth=client)
    assert (asked.json()["cnf"], asked.json()["token_type"]) == ({"jkt": key.thumbprint}, "DPoP")


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": "https://elsewhere.example/oauth/token"},
        {"iat": 1_700_000_000},
        {"iat": int(time.time()) + 3600},
        {"jti": None},
        {"htm": None},
    ],
)
def test_a_wrong_proof_gets_no_token(gateway: Any, changes: dict[str, Any]) -> None:
    proof = Key().proof("POST", gateway.url + TOKEN, **changes)

    answer = gateway.http.post(TOKEN, data=CREDENTIALS, auth=gateway.machine(), headers={"DPoP": proof})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


def test_a_proof_is_used_once(gateway: Any) -> None:
    client = gateway.machine()
    headers = {"DPoP": Key().proof("POST", gateway.url + TOKEN)}

    first, second = (gateway.http.post(TOKEN, data=CREDENTIALS, auth=client, headers=headers) for _ in range(2))

    assert first.status_code == 200
    assert (second.status_code, second.json()["error"]) == (400, "invalid_dpop_proof")


def test_two_proofs_are_none(gateway: Any) -> None:
    url = gateway.url + TOKEN
    headers = [("DPoP", Key().proof("POST", url)), ("DPoP", Key().proof("POST", url))]

    answer = gateway.http.post(TOKEN, data=CREDENTIALS, auth=gateway.machine(), headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


def test_a_foreign_nonce_is_answered_with_ours(gateway: Any) -> None:
    client, key = gateway.machine(), Key()

    def ask(nonce: str) -> Any:
        proof = key.proof("POST", gateway.url + TOKEN, nonce=nonce)
        return gateway.http.post(TOKEN, data=CREDENTIALS, auth=client, headers={"DPoP": proof})

    foreign = ask("somebody-elses")
    assert (foreign.status_code, foreign.json()["error"]) == (400, "use_dpop_nonce")
    ours = ask(foreign.headers["dpop-nonce"])
    assert ours.status_code == 200
    assert "dpop-nonce" not in ours.headers


def test_a_client_that_binds_its_tokens_gets_none_without_a_proof(gateway: Any) -> None:
    made = gateway.register(dpop_bound_access_tokens=True)

    answer = gateway.client_credentials((made["client_id"], made["client_secret"]))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


class Bound:
    """A client with a bound token."""

    def __init__(self, gateway: Any) -> None:
        self.client = KeyClient(gateway, dpop_bound_access_tokens=True)
        self.token: str = self.client.bound(TOKEN, CREDENTIALS).json()["access_token"]


def test_a_bound_token_passes_with_a_fresh_proof(gateway: Any) -> None:
    bound = Bound(gateway)

    answer = bound.client.call(API, bound.token)

    assert answer.status_code == 200
    assert answer.headers["dpop-nonce"]
    assert answer.json()["headers"]["authorization"] == f"DPoP {bound.token}"


def test_a_bound_token_is_no_bearer_token(gateway: Any) -> None:
    bound = Bound(gateway)

    answer = gateway.http.get(API, headers={"Authorization": f"Bearer {bound.token}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("DPoP ")


@pytest.mark.parametrize(
    "changes", [{"ath": "another"}, {"ath": None}, {"htm": "POST"}, {"htu": "https://elsewhere.example/"}]
)
def test_a_proof_of_something_else_does_not_pass(gateway: Any, changes: dict[str, Any]) -> None:
    bound = Bound(gateway)

    answer = bound.client.call(API, bound.token, **changes)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof")
    assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]


def test_a_thief_with_a_key_of_his_own_does_not_pass(gateway: Any) -> None:
    bound = Bound(gateway)
    proof = Key().proof("GET", gateway.url + API, bound.token)

    answer = gateway.http.get(API, headers={"Authorization": f"DPoP {bound.token}", "DPoP": proof})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_a_recorded_request_does_not_pass_again(gateway: Any) -> None:
    bound = Bound(gateway)
    proof = bound.client.key.proof("GET", gateway.url + API, bound.token)
    headers = {"Authorization": f"DPoP {bound.token}", "DPoP": proof}

    first, second = (gateway.http.get(API, headers=headers) for _ in range(2))

    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (401, "invalid_dpop_proof")


def test_the_query_is_no_part_of_the_proof(gateway: Any) -> None:
    bound = Bound(gateway)

    assert bound.client.call(f"{API}?a=b", bound.token).status_code == 200


def test_an_apps_refresh_token_is_bound_to_its_key(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    key, thief = Key(), Key()
    verifier, challenge = helpers.pkce()
    url = gateway.url + TOKEN
    code = person.allow(app, challenge, dpop_jkt=key.thumbprint)["code"]
    form = helpers.exchange(app, code, verifier)

    stolen = gateway.http.post(TOKEN, data=form, headers={"DPoP": thief.proof("POST", url)})
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    tokens = gateway.http.post(TOKEN, data=form, headers={"DPoP": key.proof("POST", url)}).json()
    assert tokens["token_type"] == "DPoP"

    refresh = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
    for headers in ({}, {"DPoP": thief.proof("POST", url)}):
        refused = gateway.http.post(TOKEN, data=refresh, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert gateway.http.post(TOKEN, data=refresh, headers={"DPoP": key.proof("POST", url)}).status_code == 200


def test_the_gateways_own_api_wants_new_proofs_and_nonces_too(gateway: Any) -> None:
    partner = KeyClient(gateway, profile="fapi", scopes=["gateway.clients:write"])
    token = partner.bound(TOKEN, CREDENTIALS).json()["access_token"]
    url = "/gateway/v1/clients"

    def call(proof: str) -> Any:
        return gateway.http.get(url, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

    without = call(partner.key.proof("GET", gateway.url + url, token))
    assert (without.status_code, without.json()["code"]) == (401, "use_dpop_nonce")
    proof = partner.key.proof("GET", gateway.url + url, token, nonce=without.headers["dpop-nonce"])
    first, second = call(proof), call(proof)
    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (401, "invalid_dpop_proof")
