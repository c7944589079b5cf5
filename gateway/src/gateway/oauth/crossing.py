"""What scripts of other sites may read of the authorization server: the CORS protocol of the Fetch standard.

What is said to everybody may be read by everybody. The endpoints that an app in a browser calls answer pages of the
origins that clients registered. The pages that people see answer no other page (RFC 9700 section 2.6).
"""

from __future__ import annotations

import structlog
from cme_kit.mongo import PyMongoError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.edge.cors import Origins, allowed, preflight_answer, value_of

FOR_EVERYBODY = frozenset(
    {
        *("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth/jwks"),
        *("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/sandbox"),
    }
)
FOR_APPS = frozenset({"/oauth/token", "/oauth/revoke", "/oauth/par", "/oauth/userinfo", "/oauth/register"})
log = structlog.get_logger(__name__)


class Crossing:
    """Puts the headers on answers to scripts of other sites."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by `app`, or a preflight by itself."""
        origin = value_of(scope["headers"], b"origin")
        readers = await self._readers(scope["path"], origin) if origin is not None else None
        if readers is None:
            await app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and value_of(scope["headers"], b"access-control-request-method") is not None:
            await send({"type": "http.response.start", "status": 204, "headers": preflight_answer(readers)})
            await send({"type": "http.response.body", "body": b""})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed(readers)]
            await send(message)

        await app(scope, receive, with_headers)

    async def _readers(self, path: str, origin: bytes) -> bytes | None:
        if path in FOR_EVERYBODY:
            return b"*"
        try:
            known = path in FOR_APPS and await self._origins.has(origin.decode("latin-1"))
        except PyMongoError as error:
            log.warning("an origin could not be looked up", error=type(error).__name__)
            return None
        return origin if known else None
