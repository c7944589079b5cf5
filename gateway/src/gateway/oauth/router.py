"""The endpoints that clients call: metadata, keys, tokens, revocation."""

from __future__ import annotations

from typing import Annotated, Any

from authlib.oauth2.rfc6749 import OAuth2Error
from cme_kit.auth import Public
from cme_kit.http import Provided
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from gateway.oauth.forms import form_items
from gateway.oauth.keys import SigningKeys
from gateway.oauth.metadata import Metadata
from gateway.oauth.parameters import single_values
from gateway.oauth.tokens import Tokens

router = APIRouter(include_in_schema=False)
Everybody = Annotated[None, Public()]
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@router.get("/.well-known/oauth-authorization-server")
async def metadata(_: Everybody, metadata: Annotated[Metadata, Provided(Metadata)], response: Response) -> Metadata:
    """What this authorization server can (RFC 8414 section 3)."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return metadata


@router.get("/oauth/jwks")
async def jwks(_: Everybody, keys: Annotated[SigningKeys, Provided(SigningKeys)], response: Response) -> dict[str, Any]:
    """The public keys of access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return keys.public()


@router.post("/oauth/token")
async def token(request: Request, _: Everybody, tokens: Annotated[Tokens, Provided(Tokens)]) -> Response:
    """Issue tokens (RFC 6749 section 3.2)."""
    values = single_values(await form_items(request))
    return JSONResponse(await tokens.issue(values, request.headers.get("authorization")), 200, NO_STORE)


@router.post("/oauth/revoke")
async def revoke(request: Request, _: Everybody, tokens: Annotated[Tokens, Provided(Tokens)]) -> Response:
    """Revoke a token (RFC 7009 section 2)."""
    values = single_values(await form_items(request))
    await tokens.revoke(values, request.headers.get("authorization"))
    return Response(status_code=200, headers=NO_STORE)


async def oauth_error(_request: Request, error: OAuth2Error) -> Response:
    """An error as RFC 6749 section 5.2 wants it, which is older than problem documents."""
    status, body, headers = error()
    return JSONResponse(body, status, dict(headers) | NO_STORE)
