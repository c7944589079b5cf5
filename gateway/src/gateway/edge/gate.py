"""Third policy: the token. Verified and remembered; the services verify it again and decide about scopes."""

from __future__ import annotations

from cme_kit.auth import InsufficientScope, Principal, TokenVerifier, Unauthenticated

from gateway.clients.service import Clients
from gateway.edge.routes import Route
from gateway.oauth.revocations import Revocations

#: A scope of every service.
OPERATIONS = "operations:"


class Gate:
    """Decides who may pass on to a service."""

    def __init__(self, verifier: TokenVerifier, clients: Clients, revocations: Revocations) -> None:
        self._verifier = verifier
        self._clients = clients
        self._revocations = revocations

    async def admit(self, route: Route, method: str, path: str, authorization: list[bytes]) -> Principal | None:
        """The caller, or None for a public path without a token. Raises Unauthenticated or InsufficientScope."""
        public = route.is_public(method, path)
        if not authorization:
            if public:
                return None
            raise Unauthenticated("Send an access token as `Authorization: Bearer …`.", presented=False)
        if len(authorization) > 1:
            raise Unauthenticated("Send one Authorization header.")
        scheme, _, token = authorization[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send an access token as `Authorization: Bearer …`.")
        principal = await self._verifier.verify(token.strip())
        if await self._clients.active(principal.client_id) is None:
            raise Unauthenticated("The client of this token is gone or disabled.")
        if self._revocations.is_revoked(principal.token_id):
            raise Unauthenticated("This token was revoked; ask for a new one.")
        if not public and not _has_scope_of(principal, route.service):
            raise InsufficientScope(f"{route.service}.*")
        return principal


def _has_scope_of(principal: Principal, service: str) -> bool:
    prefixes = (f"{service}.", OPERATIONS)
    return any(scope.startswith(prefixes) for scope in principal.scopes)
