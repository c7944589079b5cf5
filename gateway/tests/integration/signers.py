"""Clients with keys: assertions, proofs of possession, pushed and signed requests."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Key:
    """A key that requests are bound to (RFC 9449)."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", private=True)
        self.thumbprint = self.key.thumbprint()

    def proof(self, method: str, url: str, token: str | None = None, **changes: Any) -> str:
        """A proof for one request; changes make it wrong, None leaves a claim out."""
        claims: dict[str, Any] = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": int(time.time())}
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": self.key.as_dict(private=False)}
        return jwt.encode(header, kept, self.key, algorithms=["ES256"])


class KeyClient:
    """A client that authenticates with private_key_jwt and may bind its tokens to a key."""

    def __init__(self, gateway: Any, **fields: Any) -> None:
        self.gateway = gateway
        self.signing = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"}, private=True)
        made = gateway.register(
            **{
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [self.signing.as_dict(private=False)]},
                **fields,
            }
        )
        self.client_id: str = made["client_id"]
        self.key = Key()

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """A JWT signed with the registered key, by hand, because the library makes no wrong header."""
        parts = ({"alg": "ES256", "kid": "one", **header}, claims)
        signed = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        signature = JWSRegistry(algorithms=["ES256"]).get_alg("ES256").sign(signed.encode(), self.signing)
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def assertion(self, **changes: Any) -> str:
        """A client assertion."""
        now = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": self.gateway.url, "iat": now, "exp": now + 60}
        return self.signed({**claims, "jti": secrets.token_hex(8), **changes})

    def post(self, path: str, form: dict[str, str], *, proof: str | None = None, **assertion: Any) -> httpx.Response:
        """A request to an endpoint of the authorization server."""
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(**assertion), **form}
        answer: httpx.Response = self.gateway.http.post(path, data=form, headers={"DPoP": proof} if proof else {})
        return answer

    def bound(self, path: str, form: dict[str, str], nonce: str | None = None) -> httpx.Response:
        """The same with a proof, again with the nonce when the server wants it."""
        answer = self.post(path, form, proof=self.key.proof("POST", self.gateway.url + path, nonce=nonce))
        if nonce is None and answer.status_code == 400 and answer.json()["error"] == "use_dpop_nonce":
            return self.bound(path, form, answer.headers["dpop-nonce"])
        return answer

    def call(self, path: str, token: str, nonce: str | None = None, **changes: Any) -> httpx.Response:
        """A request to the API with a bound token, again with the nonce when the server wants it."""
        proof = self.key.proof("GET", self.gateway.url + path, token, nonce=nonce, **changes)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        answer: httpx.Response = self.gateway.http.get(path, headers=headers)
        if nonce is None and answer.headers.get("dpop-nonce") and answer.status_code == 401:
            return self.call(path, token, answer.headers["dpop-nonce"], **changes)
        return answer


def parameters(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
