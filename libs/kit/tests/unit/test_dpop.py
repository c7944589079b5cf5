"""A proof holds for one key, one request and one moment (RFC 9449 section 4.3)."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import pytest
from cme_kit.auth import InvalidDpopProof, TokenVerifier, Unauthenticated
from cme_kit.dpop import LIFETIME, InvalidProof, check_proof, token_hash
from cme_kit.testing import ISSUER, Tokens
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

NOW = 1_800_000_000.0
URL = "https://api.example/oauth/token"
EC = ECKey.generate_key("P-256", private=True)


def a_proof(key: Any = EC, header: dict[str, Any] | None = None, algorithm: str = "ES256", **claims: Any) -> str:
    body = {"jti": "one", "htm": "POST", "htu": URL, "iat": NOW, **claims}
    kept = {name: value for name, value in body.items() if value is not None}
    public = key.as_dict(private=False) if not isinstance(key, OctKey) else key.as_dict()
    head = {"alg": algorithm, "typ": "dpop+jwt", "jwk": public, **(header or {})}
    parts = [{name: value for name, value in head.items() if value is not None}, kept]
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    # Signed by hand, because the library makes no wrong header.
    return f"{signed}.{_encoded(JWSRegistry(algorithms=[algorithm]).get_alg(algorithm).sign(signed.encode(), key))}"


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(EC, "ES256"), (OKPKey.generate_key("Ed25519"), "Ed25519"), (RSAKey.generate_key(2048), "PS256")],
)
def test_a_proof_names_the_key_that_signed_it(key: Any, algorithm: str) -> None:
    proof = check_proof([a_proof(key, algorithm=algorithm)], "POST", URL, NOW)

    assert proof.thumbprint == key.thumbprint()


@pytest.mark.parametrize("ahead", [-LIFETIME, 0, 10])
def test_clocks_may_differ_by_ten_seconds(ahead: int) -> None:
    assert check_proof([a_proof(iat=NOW + ahead)], "POST", URL, NOW).proof_id == "one"


@pytest.mark.parametrize(
    "htu",
    [
        *("HTTPS://API.example/oauth/token", f"{URL}?a=b", f"{URL}#c", URL.replace("example/", "example:443/")),
        *("https://api.example/oauth/%74oken", "https://api.example/%6fauth/%74%6F%6b%65%6E"),
    ],
)
def test_the_same_address_written_otherwise_is_the_same(htu: str) -> None:
    assert check_proof([a_proof(htu=htu)], "POST", URL, NOW).proof_id == "one"


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "GET"},
        {"htm": "post"},
        {"htu": "https://user@api.example/oauth/token"},
        {"htu": "https://api.example:0/oauth/token"},
        {"htu": "https://api.example/oauth%2Ftoken"},
        {"iat": 10**400},
        {"iat": float("nan")},
        {"jti": "a\x00b"},
        {"jti": "\ud800"},
        {"htm": None},
        {"htu": "https://api.example/oauth/token/"},
        {"htu": "http://api.example/oauth/token"},
        {"htu": "https://api.example:8443/oauth/token"},
        {"htu": "https://other.example/oauth/token"},
        {"htu": "https://api.example:x/"},
        {"htu": None},
        {"iat": NOW - LIFETIME - 1},
        {"iat": NOW + 16},
        {"iat": str(int(NOW))},
        {"iat": True},
        {"iat": None},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 201},
        {"nonce": 5},
        {"ath": "else"},
    ],
)
def test_a_proof_of_another_request_does_not_hold(claims: dict[str, Any]) -> None:
    token = "a token" if "ath" in claims else None

    with pytest.raises(InvalidProof):
        check_proof([a_proof(**claims)], "POST", URL, NOW, token)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": EC.as_dict(private=True)},
        {"jwk": ECKey.generate_key("P-256").as_dict(private=False)},
        {"jwk": {"kty": "EC"}},
        {"jwk": "text"},
        {"jwk": None},
        {"jwk": {**EC.as_dict(private=False), "use": "enc"}},
        {"jwk": {"kty": "OKP", "crv": "X25519", "x": "CQ" + "A" * 41}},
        {"crit": ["made_by"], "made_by": "a library"},
        {"crit": 5},
    ],
)
def test_a_header_that_names_no_public_key_or_another_one_does_not_hold(header: dict[str, Any]) -> None:
    with pytest.raises(InvalidProof):
        check_proof([a_proof(header=header)], "POST", URL, NOW)


def test_a_header_that_nobody_knows_is_ignored() -> None:
    """RFC 7515 section 4: all but critical ones are."""
    assert check_proof([a_proof(header={"made_by": "a library"})], "POST", URL, NOW).proof_id == "one"


@pytest.mark.parametrize("proofs", [[], ["a.b"], ["..."], ["x" * 5000], [a_proof(), a_proof()], [a_proof() + "A"]])
def test_what_is_no_single_proof_does_not_hold(proofs: list[str]) -> None:
    with pytest.raises(InvalidProof):
        check_proof(proofs, "POST", URL, NOW)


def test_a_shared_secret_or_a_small_key_proves_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        small = a_proof(RSAKey.generate_key(1024), algorithm="PS256")
        curve = a_proof(OKPKey.generate_key("Ed448"), algorithm="EdDSA")
        for proof in (a_proof(OctKey.generate_key(256), algorithm="HS256"), small, curve):
            with pytest.raises(InvalidProof):
                check_proof([proof], "POST", URL, NOW)


async def test_a_bound_token_needs_the_proof_of_its_key(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cme_kit.auth.time.time", lambda: NOW)
    verifier: TokenVerifier = tokens.verifier()
    token = tokens.issue("client", "a:read", exp=NOW + 60, cnf={"jkt": EC.thumbprint()})
    right: dict[str, Any] = {"htm": "GET", "htu": f"{ISSUER}/a", "ath": token_hash(token)}
    other = ECKey.generate_key("P-256", private=True)

    principal, proof = await verifier.admit([f"DPoP {token}"], [a_proof(**right)], "GET", "/a")
    assert (principal.key_thumbprint, proof and proof.thumbprint) == (EC.thumbprint(), EC.thumbprint())

    with pytest.raises(Unauthenticated) as as_bearer:
        await verifier.admit([f"Bearer {token}"], [a_proof(**right)], "GET", "/a")
    assert as_bearer.value.headers["WWW-Authenticate"].startswith('DPoP error="invalid_token", algs="ES256 ')
    with pytest.raises(InvalidDpopProof) as unproved:
        await verifier.admit([f"DPoP {token}"], [], "GET", "/a")
    assert unproved.value.headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    with pytest.raises(Unauthenticated, match="another key"):
        await verifier.admit([f"DPoP {token}"], [a_proof(other, **right)], "GET", "/a")
    unbound = tokens.issue("client", exp=NOW + 60)
    with pytest.raises(Unauthenticated, match="not bound"):
        await verifier.admit([f"DPoP {unbound}"], [a_proof(**right)], "GET", "/a")


async def test_without_a_token_the_client_is_told_how_to_get_one(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await tokens.verifier().admit([], [], "GET", "/a")

    challenge = refusal.value.headers["WWW-Authenticate"]
    metadata = f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource"'
    assert challenge == f'Bearer {metadata}, DPoP algs="ES256 PS256 EdDSA Ed25519", {metadata}'
