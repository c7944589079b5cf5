"""What the authorization server and the APIs say about themselves (RFC 8414, OpenID Connect Discovery, RFC 9728)."""

from __future__ import annotations

from cme_kit import jose
from pydantic import BaseModel

from gateway.oauth.keys import ALGORITHM
from gateway.oauth.protocol import AUTH_METHODS, CONFIDENTIAL
from gateway.oauth.scopes import SCOPES
from gateway.oauth.tokens import EXCHANGE


class Metadata(BaseModel):
    """What the authorization server can and where (RFC 8414 section 2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    pushed_authorization_request_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    registration_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    service_documentation: str
    scopes_supported: list[str] = list(SCOPES)
    response_types_supported: list[str] = ["code"]
    response_modes_supported: list[str] = ["query"]
    grant_types_supported: list[str] = ["authorization_code", "client_credentials", "refresh_token", EXCHANGE]
    token_endpoint_auth_methods_supported: list[str] = AUTH_METHODS
    token_endpoint_auth_signing_alg_values_supported: list[str] = jose.ALGORITHMS
    revocation_endpoint_auth_methods_supported: list[str] = AUTH_METHODS
    revocation_endpoint_auth_signing_alg_values_supported: list[str] = jose.ALGORITHMS
    introspection_endpoint_auth_methods_supported: list[str] = CONFIDENTIAL
    introspection_endpoint_auth_signing_alg_values_supported: list[str] = jose.ALGORITHMS
    code_challenge_methods_supported: list[str] = ["S256"]
    authorization_response_iss_parameter_supported: bool = True
    require_pushed_authorization_requests: bool = False
    dpop_signing_alg_values_supported: list[str] = jose.ALGORITHMS
    request_parameter_supported: bool = True
    request_uri_parameter_supported: bool = False
    request_object_signing_alg_values_supported: list[str] = jose.ALGORITHMS
    subject_types_supported: list[str] = ["public"]
    id_token_signing_alg_values_supported: list[str] = [ALGORITHM]
    claims_supported: list[str] = [
        *("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash"),
        *("name", "preferred_username", "locale", "email", "email_verified"),
    ]
    claims_parameter_supported: bool = False
    prompt_values_supported: list[str] = ["none", "login", "consent"]
    ui_locales_supported: list[str] = ["en", "sv", "fi", "lt", "de"]
    protected_resources: list[str]

    @classmethod
    def of(cls, issuer: str) -> Metadata:
        """The metadata of an issuer."""
        return cls(
            issuer=issuer,
            authorization_endpoint=f"{issuer}/oauth/authorize",
            token_endpoint=f"{issuer}/oauth/token",
            pushed_authorization_request_endpoint=f"{issuer}/oauth/par",
            revocation_endpoint=f"{issuer}/oauth/revoke",
            introspection_endpoint=f"{issuer}/oauth/introspect",
            registration_endpoint=f"{issuer}/oauth/register",
            userinfo_endpoint=f"{issuer}/oauth/userinfo",
            jwks_uri=f"{issuer}/oauth/jwks",
            service_documentation=f"{issuer}/docs",
            protected_resources=[issuer, f"{issuer}/sandbox"],
        )


class ResourceMetadata(BaseModel):
    """What an API takes (RFC 9728 section 2)."""

    resource: str
    resource_name: str
    authorization_servers: list[str]
    scopes_supported: list[str] = list(SCOPES)
    bearer_methods_supported: list[str] = ["header"]
    dpop_signing_alg_values_supported: list[str] = jose.ALGORITHMS
    dpop_bound_access_tokens_required: bool = False
    resource_documentation: str

    @classmethod
    def of(cls, issuer: str, *, sandbox: bool = False) -> ResourceMetadata:
        """The metadata of the API of an issuer, or of its sandbox."""
        name = "Cluster Manager Education"
        return cls(
            resource=f"{issuer}/sandbox" if sandbox else issuer,
            resource_name=f"{name}, sandbox" if sandbox else name,
            authorization_servers=[issuer],
            resource_documentation=f"{issuer}/docs",
        )
