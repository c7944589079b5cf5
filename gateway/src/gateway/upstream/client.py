"""The relying party of one provider (OpenID Connect Core section 3.1): code flow with PKCE, state, nonce and `iss`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import extract_compact

from gateway.upstream.documents import Documents, Metadata, ProviderUnavailable
from gateway.upstream.domain import LONGEST_SUBJECT, Identity, Provider

#: Never `none`, and nothing with the client's secret as a key.
ALGORITHMS = ("ES256", "PS256", "RS256", "EdDSA")
LEEWAY_SECONDS = 60
ASSERTION_SECONDS = 60
LONGEST_NAME = 200
log = structlog.get_logger(__name__)


class NotVouchedFor(Exception):
    """What came back is no proof of anybody."""


class ProviderClient:
    """Asks a provider who somebody is."""

    def __init__(self, provider: Provider, documents: Documents, redirect_uri: str) -> None:
        self.provider = provider
        self._documents = documents
        self._redirect_uri = redirect_uri
        self._key = _private_key(provider.private_key_file) if provider.private_key_file else None

    async def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """Where the person signs in. Raises ProviderUnavailable."""
        metadata = await self._documents.metadata()
        return str(
            prepare_grant_uri(
                metadata.authorization_endpoint,
                self.provider.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope=" ".join(self.provider.scopes),
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    async def check_issuer(self, presented: str | None) -> None:
        """Raises NotVouchedFor when an answer is another provider's (RFC 9207 section 2.4)."""
        metadata = await self._documents.metadata()
        required = metadata.authorization_response_iss_parameter_supported
        if presented != metadata.issuer and (required or presented is not None):
            raise NotVouchedFor("iss")

    async def identify(self, code: str, nonce: str, verifier: str, now: datetime) -> Identity:
        """Whom the code stands for. Raises NotVouchedFor or ProviderUnavailable."""
        metadata = await self._documents.metadata()
        tokens = await self._redeem(metadata, code, verifier, now)
        access_token, id_token = tokens.get("access_token"), tokens.get("id_token")
        if not isinstance(access_token, str) or not isinstance(id_token, str):
            raise NotVouchedFor("tokens")
        claims = await self.verified(id_token, access_token, nonce, now)
        name = _name(claims) or await self._asked_name(metadata, access_token, claims["sub"])
        return Identity(self.provider.id, metadata.issuer, claims["sub"], name)

    async def verified(self, id_token: str, access_token: str, nonce: str, now: datetime) -> dict[str, Any]:
        """The claims of an ID token (Core section 3.1.3.7). Raises NotVouchedFor or ProviderUnavailable."""
        metadata = await self._documents.metadata()
        allowed = [name for name in ALGORITHMS if name in metadata.id_token_signing_alg_values_supported]
        try:
            header = dict(extract_compact(id_token.encode()).headers())
            key = await self._documents.key(header.get("kid"))
            if key is None or header.get("alg") not in allowed:
                raise NotVouchedFor("key")
            token = jwt.decode(id_token, key, algorithms=allowed)
            options = {
                "iss": {"essential": True, "value": metadata.issuer},
                "aud": {"essential": True, "value": self.provider.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            params = {"client_id": self.provider.client_id, "nonce": nonce, "access_token": access_token}
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(int(now.timestamp()), LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("ID token refused", provider=self.provider.id, why=type(error).__name__)
            raise NotVouchedFor("ID token") from error
        sub = claims["sub"]
        if (
            not isinstance(sub, str)
            or not 0 < len(sub) <= LONGEST_SUBJECT
            or not sub.isascii()
            or not sub.isprintable()
        ):
            raise NotVouchedFor("sub")
        return dict(claims)

    async def _redeem(self, metadata: Metadata, code: str, verifier: str, now: datetime) -> dict[str, Any]:
        form = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=verifier
        )
        headers: dict[str, str] = {}
        if self._key is None:
            assert self.provider.client_secret is not None
            # RFC 6749 section 2.3.1: both are form-encoded first.
            quoted = (
                quote(value, safe="")
                for value in (self.provider.client_id, self.provider.client_secret.get_secret_value())
            )
            _, headers, form = ClientAuth(*quoted, "client_secret_basic").prepare(
                "POST", metadata.token_endpoint, {}, form
            )
        else:
            assertion = sign_jwt_bearer_assertion(
                self._key,
                self.provider.client_id,
                metadata.issuer,
                subject=self.provider.client_id,
                issued_at=int(now.timestamp()),
                expires_in=ASSERTION_SECONDS,
                header={"alg": "ES256" if isinstance(self._key, ECKey) else "PS256", "kid": self._key.thumbprint()},
            )
            identified = {"client_id": self.provider.client_id, "client_assertion_type": ASSERTION_TYPE}
            form += "".join(f"&{name}={quote(value, safe='')}" for name, value in identified.items())
            form += f"&client_assertion={assertion}"
        try:
            tokens = await self._documents.read(metadata.token_endpoint, headers=dict(headers), form=form)
        except ProviderUnavailable as error:
            # A refused code answers 400: from here both look the same, and the person begins again.
            raise NotVouchedFor("token endpoint") from error
        return tokens if isinstance(tokens, dict) else {}

    async def _asked_name(self, metadata: Metadata, access_token: str, sub: str) -> str | None:
        # Many providers put names only here. It is only how we address the person, so its absence stops nothing.
        if metadata.userinfo_endpoint is None:
            return None
        try:
            bearer = {"Authorization": f"Bearer {access_token}"}
            claims = await self._documents.read(metadata.userinfo_endpoint, headers=bearer)
        except ProviderUnavailable:
            return None
        return _name(claims) if isinstance(claims, dict) and claims.get("sub") == sub else None


def _name(claims: dict[str, Any]) -> str | None:
    for claim in ("name", "preferred_username"):
        value = claims.get(claim)
        if isinstance(value, str) and (name := " ".join(value.split())[:LONGEST_NAME]) and name.isprintable():
            return name
    return None


def _private_key(path: Path) -> Key:
    text = path.read_text()
    if text.lstrip().startswith("{"):
        document = json.loads(text)
        return ECKey.import_key(document) if document["kty"] == "EC" else RSAKey.import_key(document)
    try:
        return ECKey.import_key(text)
    except (JoseError, ValueError, TypeError):
        return RSAKey.import_key(text)
