"""Authorization server metadata (RFC 8414 section 2)."""

from __future__ import annotations

from pydantic import BaseModel

from gateway.oauth.protocol import ASSERTION_ALGORITHMS, AUTH_METHODS
from gateway.oauth.scopes import SCOPES


class Metadata(BaseModel):
    """What the authorization server can and where."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    service_documentation: str
    scopes_supported: list[str] = list(SCOPES)
    response_types_supported: list[str] = ["code"]
    response_modes_supported: list[str] = ["query"]
    grant_types_supported: list[str] = ["authorization_code", "client_credentials", "refresh_token"]
    token_endpoint_auth_methods_supported: list[str] = AUTH_METHODS
    token_endpoint_auth_signing_alg_values_supported: list[str] = ASSERTION_ALGORITHMS
    revocation_endpoint_auth_methods_supported: list[str] = AUTH_METHODS
    revocation_endpoint_auth_signing_alg_values_supported: list[str] = ASSERTION_ALGORITHMS
    code_challenge_methods_supported: list[str] = ["S256"]
    authorization_response_iss_parameter_supported: bool = True
    ui_locales_supported: list[str] = ["en", "sv", "fi", "lt", "de"]

    @classmethod
    def of(cls, issuer: str) -> Metadata:
        """The metadata of an issuer."""
        return cls(
            issuer=issuer,
            authorization_endpoint=f"{issuer}/oauth/authorize",
            token_endpoint=f"{issuer}/oauth/token",
            revocation_endpoint=f"{issuer}/oauth/revoke",
            jwks_uri=f"{issuer}/oauth/jwks",
            service_documentation=f"{issuer}/docs",
        )
