"""Access tokens that somebody made: none passes, at the edge or at the gateway's own API (OWASP ASVS 5.0, V9)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from cme_kit.auth import Unauthenticated
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

PATHS = ("/enrolment/v1/applications/app_1", "/gateway/v1/clients")


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Forger:
    """Somebody with a good token and a key of his own."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        made = gateway.register(scopes=["enrolment.applications:read", "gateway.clients:write"])
        self.good = str(gateway.client_credentials((made["client_id"], made["client_secret"])).json()["access_token"])
        header, payload, _ = self.good.split(".")
        self.header = json.loads(base64.urlsafe_b64decode(header + "=="))
        self.claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        self.key = ECKey.generate_key("P-256", {"kid": self.header["kid"]}, private=True)

    def forged(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Signed with another key, which may be named in the header."""
        head = {name: value for name, value in {**self.header, **(header or {})}.items() if value is not None}
        body = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        message = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(body).encode())}"
        signature = JWSRegistry.algorithms["ES256"].sign(message.encode(), self.key)
        return f"{message}.{encoded(signature)}"

    def unsigned(self, algorithm: str) -> str:
        head = {**self.header, "alg": algorithm}
        return f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(self.claims).encode())}."

    def with_public_key_as_secret(self) -> str:
        published = self.gateway.http.get("/oauth/jwks").json()["keys"]
        key = ECKey.import_key(next(key for key in published if key["kid"] == self.header["kid"]))
        message = f"{encoded(json.dumps({**self.header, 'alg': 'HS256'}).encode())}.{self.good.split('.')[1]}"
        return f"{message}.{encoded(hmac.digest(key.as_pem(private=False), message.encode(), 'sha256'))}"

    def refused(self, token: str) -> None:
        for path in PATHS:
            answer = self.gateway.http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), path
            assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


@pytest.fixture
def forger(gateway: Any) -> Forger:
    return Forger(gateway)


def test_the_good_token_passes(forger: Forger, gateway: Any) -> None:
    for path in PATHS:
        assert gateway.http.get(path, headers={"Authorization": f"Bearer {forger.good}"}).status_code == 200


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", ""])
def test_a_token_without_a_signature_is_refused(forger: Forger, algorithm: str) -> None:
    forger.refused(forger.unsigned(algorithm))


def test_a_public_key_is_no_secret(forger: Forger) -> None:
    forger.refused(forger.with_public_key_as_secret())


def test_a_key_in_the_header_is_not_believed(forger: Forger) -> None:
    public = forger.key.as_dict(private=False)
    for header in (
        {"jwk": public},
        {"jwk": public, "kid": None},
        {"jku": "https://thief.example/jwks"},
        {"x5u": "https://thief.example/cert"},
        {"x5c": ["MIIB"]},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": "x" * 10_000},
        {"kid": 7},
        {"crit": ["exp"]},
    ):
        forger.refused(forger.forged(header))


@pytest.mark.parametrize("kind", ["JWT", "id_token+jwt", "dpop+jwt", None])
def test_another_kind_of_token_is_refused(forger: Forger, kind: str | None) -> None:
    forger.refused(forger.forged({"typ": kind}))


def test_a_changed_token_is_refused(forger: Forger) -> None:
    header, payload, signature = forger.good.split(".")
    wider = encoded(json.dumps({**forger.claims, "scope": "operations:write"}).encode())
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]

    for token in (f"{header}.{wider}.{signature}", f"{header}.{payload}.{flipped}", f"{header}.{payload}.", "a.b"):
        forger.refused(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": "tomorrow"},
        {"sub": None},
        {"client_id": None},
    ],
)
async def test_only_a_whole_token_for_this_api_in_its_time_passes(claims: dict[str, Any], tokens: Any) -> None:
    verifier = tokens.verifier()

    with pytest.raises(Unauthenticated):
        await verifier.verify(tokens.issue("client", "a:read", **claims))


def test_a_thousand_unknown_keys_cost_no_reads(forger: Forger, gateway: Any) -> None:
    for number in range(200):
        token = jwt.encode({**forger.header, "kid": f"k{number}"}, forger.claims, forger.key, algorithms=["ES256"])
        answer = gateway.http.get(PATHS[0], headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in (401, 429)
    assert gateway.http.get("/health/live").status_code == 200


def test_a_token_in_the_address_is_no_token(forger: Forger, gateway: Any) -> None:
    answer = gateway.http.get(f"{PATHS[0]}?access_token={forger.good}")

    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]
