"""Tokens that systems get for themselves."""

from __future__ import annotations

import base64
import hmac
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from joserfc.jws import extract_compact


def claims_of(gateway: Any, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(gateway.http.get("/oauth/jwks").json())
    return dict(jwt.decode(token, keys, algorithms=["ES256"]).claims)


def test_metadata_names_this_issuer_and_only_safe_choices(gateway: Any) -> None:
    answer = gateway.http.get("/.well-known/oauth-authorization-server")

    metadata = answer.json()
    assert answer.status_code == 200
    assert metadata["issuer"] == gateway.url
    endpoints = [value for key, value in metadata.items() if key.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 8
    assert all(url.startswith(gateway.url + "/") for url in endpoints)
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "none" not in metadata["token_endpoint_auth_signing_alg_values_supported"]


def test_a_client_with_its_secret_gets_a_short_token_and_no_refresh_token(gateway: Any) -> None:
    answer = gateway.client_credentials(gateway.machine())

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "refresh_token" not in answer.json()
    assert answer.json()["expires_in"] <= 3600
    assert answer.json()["token_type"] == "Bearer"


def test_an_access_token_is_what_rfc_9068_says(gateway: Any) -> None:
    client_id, secret = gateway.machine("operations:read")

    token = gateway.client_credentials((client_id, secret)).json()["access_token"]

    assert extract_compact(token.encode()).headers()["typ"] == "at+jwt"
    claims = claims_of(gateway, token)
    assert claims["iss"] == claims["aud"] == gateway.url
    assert claims["sub"] == claims["client_id"] == client_id
    assert claims["scope"] == "operations:read"
    assert 0 < claims["exp"] - claims["iat"] <= 3600
    assert claims["jti"]


def test_a_clients_organisation_is_in_its_token(gateway: Any) -> None:
    organisation = "org_01h455vb4pex5vsknk084sn02q"
    made = gateway.register(organisation_id=organisation)

    token = gateway.client_credentials((made["client_id"], made["client_secret"])).json()["access_token"]

    assert claims_of(gateway, token)["org"] == organisation


@pytest.mark.parametrize("client_id", ["bootstrap", "nobody"])
def test_a_wrong_secret_or_client_is_refused_with_a_challenge(gateway: Any, client_id: str) -> None:
    answer = gateway.client_credentials((client_id, "wrong"))

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", ["Basic %%%", "Basic /////w==", "Basic bm9jb2xvbg==", "Bearer abc"])
def test_an_unreadable_authorization_header_is_refused(gateway: Any, header: str) -> None:
    answer = gateway.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type"),
        ({"scope": "operations:read"}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "enrolment.calls:write"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "no.such:scope"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "resource": "https://elsewhere.example"}, "invalid_target"),
        ({"grant_type": 'client"credentials'}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_secret": "also here"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown"}, "unauthorized_client"),
    ],
)
def test_what_the_token_endpoint_does_not_do(gateway: Any, form: dict[str, str], error: str) -> None:
    answer = gateway.http.post("/oauth/token", data=form, auth=gateway.machine())

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_the_api_as_resource_is_accepted(gateway: Any) -> None:
    assert gateway.client_credentials(gateway.machine(), resource=gateway.url).status_code == 200


def test_a_repeated_parameter_is_refused(gateway: Any) -> None:
    form = "grant_type=client_credentials&scope=operations%3Aread&scope=operations%3Aread"

    answer = gateway.http.post(
        "/oauth/token",
        content=form,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=gateway.machine(),
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_token_request_in_json_is_refused(gateway: Any) -> None:
    answer = gateway.http.post("/oauth/token", json={"grant_type": "client_credentials"}, auth=gateway.machine())

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


class Signer:
    """A client that authenticates with private_key_jwt."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.key = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"}, private=True)
        made = gateway.register(
            token_endpoint_auth_method="private_key_jwt", jwks={"keys": [self.key.as_dict(private=False)]}
        )
        assert "client_secret" not in made
        self.client_id = made["client_id"]

    def assertion(self, key: Any = None, alg: str = "ES256", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.gateway.url,
            "iat": now,
            "exp": now + 60,
            "jti": f"{time.monotonic_ns()}",
            **changes,
        }
        return jwt.encode({"alg": alg, "kid": "one"}, claims, key or self.key, algorithms=[alg])

    def ask(self, assertion: str) -> Any:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return self.gateway.http.post("/oauth/token", data=form)


@pytest.mark.parametrize("path", ["", "/oauth/token"])
def test_a_signed_assertion_is_accepted_for_the_issuer_and_the_endpoint(gateway: Any, path: str) -> None:
    signer = Signer(gateway)

    assert signer.ask(signer.assertion(aud=gateway.url + path)).status_code == 200


# Over a minute by what the request takes itself: the bound of 60 s is of whole seconds.
@pytest.mark.parametrize(("ahead", "status"), [(10, 200), (65, 401)])
def test_a_clock_may_be_ten_seconds_ahead_and_no_minute(gateway: Any, ahead: int, status: int) -> None:
    signer, moment = Signer(gateway), int(time.time()) + ahead

    assert signer.ask(signer.assertion(iat=moment, nbf=moment, exp=moment + 60)).status_code == status


def test_an_assertion_is_accepted_once(gateway: Any) -> None:
    signer = Signer(gateway)
    assertion = signer.assertion()

    first, second = signer.ask(assertion), signer.ask(assertion)

    assert first.status_code == 200
    assert second.json()["error"] == "invalid_client"


def hmac_signed(token: str, secret: bytes) -> str:
    """The same claims under HS256, with the public key as the secret; written by hand because libraries refuse to."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    signed = header + b"." + token.split(".")[1].encode()
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + signature).decode()


def test_wrong_assertions_are_refused(gateway: Any) -> None:
    signer, now = Signer(gateway), int(time.time())
    foreign = ECKey.generate_key("P-256", {"kid": "one"}, private=True)

    refused = {
        "another key": signer.assertion(foreign),
        "public key as secret": hmac_signed(signer.assertion(), signer.key.as_pem(private=False)),
        "other audience": signer.assertion(aud="https://elsewhere.example"),
        "expired": signer.assertion(exp=now - 120),
        "valid for a day": signer.assertion(exp=now + 86_400),
        "other issuer": signer.assertion(iss="somebody"),
        "no jti": signer.assertion(jti=None),
        "garbage": "a.b.c",
        "not even a JWT": "garbage",
    }
    answers = {case: signer.ask(assertion) for case, assertion in refused.items()}

    assert {case: answer.json()["error"] for case, answer in answers.items()} == dict.fromkeys(
        refused, "invalid_client"
    )
    assert all(answer.status_code in (400, 401) for answer in answers.values())


def test_a_revoked_token_is_refused_at_the_edge(gateway: Any) -> None:
    client = gateway.machine()
    token = gateway.client_credentials(client).json()["access_token"]
    path, header = "/enrolment/v1/applications/app_1", {"Authorization": f"Bearer {token}"}
    assert gateway.http.get(path, headers=header).status_code == 200

    revoked = gateway.http.post("/oauth/revoke", data={"token": token}, auth=client)

    assert (revoked.status_code, revoked.content) == (200, b"")
    refused = gateway.http.get(path, headers=header)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")


def test_revoking_an_unknown_token_is_no_error_and_a_bad_client_is(gateway: Any) -> None:
    client = gateway.machine()

    assert gateway.http.post("/oauth/revoke", data={"token": "unknown"}, auth=client).status_code == 200
    assert gateway.http.post("/oauth/revoke", data={"token": "unknown"}, auth=(client[0], "no")).status_code == 401


def test_nobody_revokes_another_clients_token(gateway: Any) -> None:
    token = gateway.client_credentials(gateway.machine()).json()["access_token"]

    answer = gateway.http.post("/oauth/revoke", data={"token": token}, auth=gateway.machine())

    assert answer.status_code == 200
    header = {"Authorization": f"Bearer {token}"}
    assert gateway.http.get("/enrolment/v1/applications/app_1", headers=header).status_code == 200
