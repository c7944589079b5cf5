"""What claims to come from a client: however odd it is, it is refused, it is nobody's, and it breaks nothing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cme_kit.testing import Engines
from pymongo import MongoClient

from .signers import ASSERTION_TYPE, KeyClient


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(claims: bytes) -> dict[str, str]:
    """A request with an assertion that nobody signed."""
    parts = (b'{"alg":"ES256"}', claims, b"x" * 64)
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": ".".join(map(encoded, parts)),
    }


def logged(engines: Engines, client_id: str, count: int) -> list[dict[str, Any]]:
    """The log of a client, when so many of its requests are stored."""
    deadline = time.monotonic() + 15
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        while True:
            rows = list(client["gateway"]["usage_requests"].find({"client_id": client_id}))
            if len(rows) >= count or time.monotonic() > deadline:
                return rows
            time.sleep(0.1)


@pytest.mark.parametrize(
    "claims",
    [
        rb'{"sub":"\ud800"}',
        rb'{"sub":"a\u0000b"}',
        b'{"sub":"' + b"x" * 40_000 + b'"}',
        b'{"sub":"x","a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"sub":["x"]}',
        b"[]",
        b"5",
    ],
)
def test_an_odd_assertion_is_refused(gateway: Any, claims: bytes) -> None:
    answer = gateway.http.post("/oauth/token", data=unsigned(claims))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("credentials", [b"a\x00b:x", b"%ED%A0%80:x", b":", b"\xff:x", b"x" * 5000 + b":x"])
def test_an_odd_basic_header_is_refused(gateway: Any, credentials: bytes) -> None:
    header = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    answer = gateway.http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=header)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_basic_credentials_may_be_percent_encoded(gateway: Any) -> None:
    """RFC 6749 section 2.3.1."""
    name, secret = ("".join(f"%{ord(character):02X}" for character in text) for text in gateway.machine())

    assert gateway.client_credentials((name, secret)).status_code == 200


def test_nobody_writes_into_the_log_of_another_client(gateway: Any, engines: Engines) -> None:
    victim = gateway.machine()
    gateway.http.post("/oauth/token", data=unsigned(rb'{"sub":"\ud800"}'))
    gateway.http.post("/oauth/token", data={"grant_type": "password", "client_id": victim[0]})
    gateway.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(victim[0], "wrong"))
    gateway.client_credentials(victim, "gateway.keys:write")

    rows = logged(engines, victim[0], 1)

    assert [(row["status"], row["problem"]) for row in rows] == [(400, "invalid_scope")]


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 10**12},
        {"exp": 10**400},
        {"exp": 1e308},
        {"nbf": 10**400},
        {"nbf": 4_000_000_000},
        {"jti": "a\x00b"},
        {"jti": 5},
        {"aud": {"a": 1}},
    ],
)
def test_an_assertion_with_odd_claims_is_refused(gateway: Any, changes: dict[str, Any]) -> None:
    partner = KeyClient(gateway)

    answer = partner.post("/oauth/token", {"grant_type": "client_credentials"}, **changes)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_key_client_sends_what_it_signed_for_something_else_in_vain(gateway: Any) -> None:
    """RFC 9101 section 10.8, RFC 8725 section 3.11: `typ` keeps the kinds of JWTs apart."""
    partner = KeyClient(gateway)
    now = int(time.time())
    claims = {"iss": partner.client_id, "sub": partner.client_id, "aud": gateway.url, "exp": now + 60, "jti": "one"}
    assertion = partner.signed(claims, typ="oauth-authz-req+jwt")
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}

    assert gateway.http.post("/oauth/token", data=form).json()["error"] == "invalid_client"


def test_a_header_that_nobody_knows_is_ignored_and_a_critical_one_is_not(gateway: Any) -> None:
    """RFC 7515 sections 4 and 4.1.11."""
    partner = KeyClient(gateway)
    now = int(time.time())

    def ask(jti: str, **header: Any) -> int:
        claims = {"iss": partner.client_id, "sub": partner.client_id, "aud": gateway.url, "exp": now + 60, "jti": jti}
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
        signed = partner.signed(claims, **header)
        return int(gateway.http.post("/oauth/token", data={**form, "client_assertion": signed}).status_code)

    assert ask("one", made_by="a library") == 200
    assert ask("two", made_by="a library", crit=["made_by"]) == 401
    assert ask("three", crit=5) == 401


@pytest.mark.parametrize(
    "wrong",
    [
        lambda key: {**key, "kid": [1]},
        lambda key: {**key, "crv": ["P-256"]},
        lambda key: {**key, "x": 5},
        lambda key: {**key, "use": "enc"},
        lambda key: {**key, "alg": "none"},
        lambda _: {"kty": "OKP", "crv": "X25519", "x": encoded(b"\x09" + b"\x00" * 31)},
        lambda _: {"kty": "RSA", "n": encoded(b"\xff" * 256), "e": encoded(b"\xff" * 255)},
        lambda _: {"kty": "RSA", "n": encoded(b"\xff" * 1024), "e": "AQAB"},
        lambda _: {"kty": ["EC"]},
        lambda _: "a key",
    ],
)
def test_what_is_no_usable_key_is_not_registered(gateway: Any, wrong: Callable[[dict[str, Any]], object]) -> None:
    key = KeyClient(gateway).signing.as_dict(private=False)
    metadata = {
        "redirect_uris": ["https://app.example/callback"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [wrong(key)]},
    }

    answer = gateway.http.post("/oauth/register", json=metadata, headers=invited(gateway))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("extra", [{"n": 5}, {"foo": [1]}, {"$a": {"$b": 1}}, {"x5c": ["x"]}])
def test_what_is_no_part_of_a_key_is_not_kept(gateway: Any, extra: dict[str, Any]) -> None:
    key = KeyClient(gateway).signing.as_dict(private=False)
    metadata = {
        "redirect_uris": ["https://app.example/callback"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{**extra, **key}]},
    }

    answer = gateway.http.post("/oauth/register", content=json.dumps(metadata), headers=invited(gateway))

    assert answer.status_code == 201, answer.text
    assert answer.json()["jwks"] == {"keys": [key]}


def invited(gateway: Any) -> dict[str, str]:
    body = {"scopes": ["enrolment.organisations:read"]}
    answer = gateway.http.post("/gateway/v1/invitations", json=body, headers=gateway.registrar())
    return {"Authorization": f"Bearer {answer.json()['initial_access_token']}", "Content-Type": "application/json"}
