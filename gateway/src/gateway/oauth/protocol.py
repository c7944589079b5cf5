"""authlib's protocol logic on an in-memory view of one request.

authlib's server is synchronous, so what it may ask for is loaded before and what it decided is committed after.
Only its validation is used: client authentication, grant rules, exact redirects, PKCE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidClientError,
    InvalidRequestError,
    OAuth2Payload,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from cme_kit import jose
from joserfc.jwk import KeySet

from gateway.clients.domain import Client, Profile
from gateway.oauth.domain import ASSERTION_LIFETIME, AuthorizationCode, RefreshToken
from gateway.oauth.scopes import SCOPES

#: authlib refuses plain http; TLS ends before the gateway, and the local stack runs on loopback addresses.
_URI = "https://gateway.invalid/"
#: Those whose address an assertion may name instead of the issuer (RFC 7523 section 3).
ENDPOINTS = ("token", "par", "introspect", "revoke")
#: What is remembered of each assertion stays small.
JTI_LENGTH = 200
#: A proof or a request that the same key signed is no assertion (RFC 8725 section 3.11).
ASSERTION_TYPES = frozenset({None, "JWT", "client-authentication+jwt"})
CONFIDENTIAL = ["client_secret_basic", "private_key_jwt"]
AUTH_METHODS = ["none", *CONFIDENTIAL]
_ALL_SCOPES = list(SCOPES)


class _Payload(OAuth2Payload):  # type: ignore[misc]  # authlib has no types
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @property
    def data(self) -> dict[str, str]:
        return self._values

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {key: [value] for key, value in self._values.items()}


class Request(OAuth2Request):  # type: ignore[misc]  # authlib has no types
    """One request as authlib reads it."""

    def __init__(self, method: str, values: dict[str, str], authorization: str | None = None) -> None:
        super().__init__(method, _URI, headers={"Authorization": authorization} if authorization else {})
        self.payload = _Payload(values)
        self._values = values

    @property
    def args(self) -> dict[str, str]:
        """The query."""
        return self._values

    @property
    def form(self) -> dict[str, str]:
        """The body."""
        return self._values


@dataclass
class View:
    """What authlib may know about one request: loaded before, committed after."""

    issuer: str
    now: datetime
    client: Client | None = None
    secret_matches: Callable[[str], bool] = lambda _secret: False
    code: AuthorizationCode | None = None
    refresh_token: RefreshToken | None = None
    #: The `jti` and expiry of a client assertion that was accepted; the caller makes sure it is new.
    used_assertion: tuple[str, datetime] | None = field(default=None, init=False)

    def server(self) -> _Server:
        """Authlib's server on this view."""
        return _Server(self)


class _ClientView(ClientMixin):  # type: ignore[misc]  # authlib has no types
    def __init__(self, view: View, client: Client) -> None:
        self._view = view
        self.client = client

    def get_client_id(self) -> str:
        return self.client.client_id

    def get_default_redirect_uri(self) -> str | None:
        return None  # OAuth 2.1 wants it in every request

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return self.client.may_redirect_to(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        return self._view.secret_matches(client_secret)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return self.client.auth_method == method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.client.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""


class _Code:
    def __init__(self, code: AuthorizationCode) -> None:
        self.code_challenge = code.code_challenge
        self.code_challenge_method = "S256"
        self.redirect_uri = code.redirect_uri

    def get_redirect_uri(self) -> str:
        return self.redirect_uri


class _Token:
    def __init__(self, token: RefreshToken) -> None:
        self.token = token

    def check_client(self, client: _ClientView) -> bool:
        return self.token.client_id == client.get_client_id()

    def get_scope(self) -> str:
        return " ".join(sorted(self.token.scopes))


class _S256(CodeChallenge):  # type: ignore[misc]  # authlib has no types
    """Proof of possession of the code, S256 only and always (OAuth 2.1 section 4.1.1)."""

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Send a 'code_challenge' with 'code_challenge_method=S256'.")
        super().validate_code_challenge(grant, redirect_uri)


class _AuthorizationCode(AuthorizationCodeGrant):  # type: ignore[misc]  # authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def query_authorization_code(self, _code: str, client: _ClientView) -> _Code | None:
        known: AuthorizationCode | None = self.server.view.code
        if known is None or known.client_id != client.get_client_id() or known.used:
            return None
        return _Code(known) if known.expires > self.server.view.now else None


class _Refresh(RefreshTokenGrant):  # type: ignore[misc]  # authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def authenticate_refresh_token(self, _refresh_token: str) -> _Token | None:
        known: RefreshToken | None = self.server.view.refresh_token
        if known is None or known.used or known.revoked or known.expires <= self.server.view.now:
            return None
        return _Token(known)


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "private_key_jwt")


class _Assertion(JWTBearerClientAssertion):  # type: ignore[misc]  # authlib has no types
    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view

    def get_audiences(self) -> list[str]:
        issuer, client = self._view.issuer, self._view.client
        if client is not None and client.profile is Profile.FAPI:
            return [issuer]  # FAPI 2.0 section 5.3.2.1: the issuer, and nothing else
        return [issuer, *(f"{issuer}/oauth/{endpoint}" for endpoint in ENDPOINTS)]

    def resolve_client_public_key(self, client: _ClientView) -> KeySet:
        if client.client.keys is None:
            raise InvalidClientError(description="This client does not authenticate with private_key_jwt.")
        return client.client.keys

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> Any:
        try:
            # authlib passes no algorithms; which are allowed is ours to say.
            header, claims = jose.verified(assertion, resolve_key)
        except jose.InvalidJwt as error:
            raise InvalidClientError(description="The client assertion is not valid.") from error
        if header.get("typ") not in ASSERTION_TYPES:
            raise InvalidClientError(description="The assertion is a JWT for something else.")
        self.verify_claims(claims)
        client = self._view.client
        if client is not None and client.profile is Profile.FAPI and claims["aud"] != self._view.issuer:
            raise InvalidClientError(description="The assertion's aud has to be the issuer, as a string.")
        return claims

    def validate_jti(self, claims: dict[str, Any], jti: object) -> bool:
        last = (self._view.now + ASSERTION_LIFETIME).timestamp()
        if not isinstance(jti, str) or len(jti) > JTI_LENGTH or not jti.isprintable() or claims["exp"] > last:
            raise InvalidClientError(
                description="Send a jti of at most 200 printable characters and an exp within one hour."
            )
        self._view.used_assertion = (jti, datetime.fromtimestamp(claims["exp"], self._view.now.tzinfo))
        return True


class _Server(AuthorizationServer):  # type: ignore[misc]  # authlib has no types
    def __init__(self, view: View) -> None:
        super().__init__(scopes_supported=_ALL_SCOPES)
        self.view = view
        self.register_grant(_AuthorizationCode, [_S256(required=True)])
        self.register_grant(_Refresh)
        self.register_grant(_ClientCredentials)
        self.register_client_auth_method("private_key_jwt", _Assertion(view))

    def query_client(self, client_id: str) -> _ClientView | None:
        client = self.view.client
        return _ClientView(self.view, client) if client and client.client_id == client_id else None

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""
