"""ID tokens that a provider could send and that prove nothing (OpenID Connect Core section 3.1.3.7)."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.peppered import Pepper
from gateway.upstream.client import NotVouchedFor, ProviderClient
from gateway.upstream.documents import Documents, Metadata
from gateway.upstream.domain import Provider, is_safe_url
from gateway.upstream.sealed import Seal
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from pydantic import ValidationError

ISSUER = "https://idp.example"
SECRET = "the secret of the client, at least 32 bytes long"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ACCESS_TOKEN = "an access token"
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)


class Written(Documents):
    """A provider's documents that stand here instead of on a server."""

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        self._written = Metadata(
            issuer=ISSUER,
            authorization_endpoint=f"{ISSUER}/auth",
            token_endpoint=f"{ISSUER}/token",
            jwks_uri=f"{ISSUER}/jwks",
            id_token_signing_alg_values_supported=list(algorithms),
        )

    async def metadata(self) -> Metadata:
        return self._written

    async def key(self, key_id: str | None) -> Key | None:
        return {"one": KEY, "rsa": RSA}.get(key_id or "")


def client(*algorithms: str) -> ProviderClient:
    provider = Provider.model_validate(
        {"id": "idp", "name": "IdP", "issuer": ISSUER, "client_id": "cme", "client_secret": SECRET}
    )
    return ProviderClient(provider, Written(algorithms or ("ES256", "RS256")), "https://cme.example/back")


def at_hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def id_token(key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": "cme",
        "nonce": "the nonce",
        "iat": SECONDS,
        "exp": SECONDS + 60,
        "at_hash": at_hash(ACCESS_TOKEN),
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    used = header or {"alg": "ES256", "kid": "one"}
    return jwt.encode(used, kept, key, algorithms=[used["alg"]])


async def verified(token: str, relying_party: ProviderClient | None = None) -> dict[str, Any]:
    return await (relying_party or client()).verified(token, ACCESS_TOKEN, "the nonce", NOW)


async def test_a_token_that_is_right_names_its_person() -> None:
    assert (await verified(id_token()))["sub"] == "alice"
    assert (await verified(id_token(at_hash=None)))["sub"] == "alice"
    assert (await verified(id_token(aud=["cme"], azp="cme")))["sub"] == "alice"
    assert (await verified(id_token(RSA, {"alg": "RS256", "kid": "rsa"})))["sub"] == "alice"


FLAWS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "an issuer with a slash more": {"iss": ISSUER + "/"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "many audiences and nobody authorized": {"aud": ["cme", "somebody-else"]},
    "another party authorized": {"aud": ["cme", "somebody-else"], "azp": "somebody-else"},
    "another party authorized for one audience": {"azp": "somebody-else"},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "a nonce that is a list": {"nonce": ["the nonce"]},
    "expired": {"exp": SECONDS - 61},
    "never expiring": {"exp": None},
    "expiring in words": {"exp": "tomorrow"},
    "not yet valid": {"nbf": SECONDS + 120},
    "issued in the future": {"iat": SECONDS + 120},
    "never issued": {"iat": None},
    "another access token": {"at_hash": at_hash("another")},
    "nobody": {"sub": None},
    "an empty person": {"sub": ""},
    "a person that is a number": {"sub": 7},
    "a person that is too long": {"sub": "x" * 256},
    "a person with a line break": {"sub": "alice\nadmin"},
    "a person who looks like alice": {"sub": "\u0430lice"},
}


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_token_that_is_wrong_proves_nothing(flaw: str) -> None:
    with pytest.raises(NotVouchedFor):
        await verified(id_token(**FLAWS[flaw]))


async def test_a_token_that_nobody_signed_proves_nothing() -> None:
    head, body, _ = id_token().split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "one"}).encode()).rstrip(b"=").decode()

    for token in (f"{unsigned}.{body}.", f"{head}.{body}.", f"{head}.{body}", "x.y.z", "", "." * 9, f"{head}..x"):
        with pytest.raises(NotVouchedFor):
            await verified(token)


async def test_a_token_signed_with_a_secret_or_a_key_that_everybody_has_proves_nothing() -> None:
    public = json.dumps(KEY.as_dict(private=False))
    others = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
    tokens = [
        id_token(OctKey.import_key(SECRET), {"alg": "HS256", "kid": "one"}),
        id_token(OctKey.import_key(public), {"alg": "HS256", "kid": "one"}),
        id_token(others),
        id_token(others, {"alg": "ES256", "kid": "one", "jwk": others.as_dict(private=False)}),
        id_token(others, {"alg": "ES256", "kid": "two"}),
    ]

    for token in tokens:
        with pytest.raises(NotVouchedFor):
            await verified(token)


async def test_a_provider_signs_with_what_it_says_it_signs_with() -> None:
    with pytest.raises(NotVouchedFor):
        await verified(id_token(RSA, {"alg": "RS256", "kid": "rsa"}), client("ES256"))
    with pytest.raises(NotVouchedFor):
        await verified(id_token(), client("HS256"))


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://idp.example"},
        {"issuer": "https://idp.example?x=1"},
        {"issuer": "https://idp.example#x"},
        {"issuer": "ftp://idp.example"},
        {"issuer": "https://"},
        {"id": "EU/Login"},
        {"client_secret": None},
        {"private_key_file": "/key"},
        {"scopes": ["profile"]},
        {"clientid": "x"},
    ],
)
def test_a_provider_is_configured_safely_or_not_at_all(changes: dict[str, Any]) -> None:
    right = {"id": "idp", "name": "IdP", "issuer": ISSUER, "client_id": "cme", "client_secret": SECRET}

    with pytest.raises(ValidationError):
        Provider.model_validate({**right, **changes})


def test_endpoints_are_https_or_on_this_machine() -> None:
    safe = ("https://idp.example/auth", "http://127.0.0.1:1/auth", "http://[::1]:1/auth", "http://localhost:1/auth")
    unsafe = (
        "http://idp.example",
        "http://127.0.0.1.evil.example",
        "//idp.example",
        "javascript:x",
        "",
        None,
        7,
        "https://idp.example/a\r\nX: y",
        "https://idp.example/a b",
        "https://idp.example/ä",
    )

    assert all(map(is_safe_url, safe))
    assert not any(map(is_safe_url, unsafe))


def test_a_sealed_document_opens_unchanged_in_time_for_its_purpose() -> None:
    pepper = Pepper("a pepper of the tests")
    seal, other = Seal(pepper, "one"), Seal(pepper, "other")
    sealed = seal.close({"name": "Ona"}, NOW + timedelta(minutes=15))

    assert seal.open(sealed, NOW) == {"name": "Ona"}
    assert seal.open(sealed, NOW + timedelta(minutes=15)) is None
    assert other.open(sealed, NOW) is None
    for wrong in (None, "", ".", sealed[:-1], "x" + sealed, sealed + ".x", "." + sealed.partition(".")[2]):
        assert seal.open(wrong, NOW) is None
