"""What anybody may read about the authorization server, and the change of its keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from authlib.oauth2.rfc6749 import OAuth2Error
from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import NotFound
from cme_kit.schemas import Schema, example
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.oauth.keys import SigningKeys
from gateway.oauth.metadata import Metadata, ResourceMetadata
from gateway.oauth.rotation import LEAD_SECONDS, Rotation

router = APIRouter(include_in_schema=False)
keys_router = service_router("signing keys", "/gateway/v1/signing-keys")
Everybody = Annotated[None, Public()]
MetadataHere = Annotated[Metadata, Provided(Metadata)]
KeysHere = Annotated[SigningKeys, Provided(SigningKeys)]
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
DAY = 86_400
#: So long anybody may keep what is said here; a key is published for longer before it signs.
CACHED = "public, max-age=300"


@router.get("/.well-known/oauth-authorization-server")
@router.get("/.well-known/openid-configuration")
async def metadata(_: Everybody, metadata: MetadataHere, response: Response) -> Metadata:
    """What this authorization server can (RFC 8414 section 3, OpenID Connect Discovery section 4)."""
    response.headers["Cache-Control"] = CACHED
    return metadata


@router.get("/.well-known/oauth-protected-resource")
async def resource(_: Everybody, metadata: MetadataHere, response: Response) -> ResourceMetadata:
    """What the API takes (RFC 9728 section 3)."""
    response.headers["Cache-Control"] = CACHED
    return ResourceMetadata.of(metadata.issuer)


@router.get("/.well-known/oauth-protected-resource/sandbox")
async def sandbox_resource(_: Everybody, metadata: MetadataHere, response: Response) -> ResourceMetadata:
    """What the sandbox takes."""
    response.headers["Cache-Control"] = CACHED
    return ResourceMetadata.of(metadata.issuer, sandbox=True)


@router.get("/oauth/jwks")
async def jwks(_: Everybody, keys: KeysHere, response: Response) -> dict[str, Any]:
    """The public keys of tokens (RFC 7517)."""
    response.headers["Cache-Control"] = CACHED
    return keys.public()


class SigningKeyView(BaseModel):
    """A published key."""

    key_id: str = Field(description="Its `kid`")
    use_from: datetime = Field(description="When it begins to sign")
    signs: bool = Field(description="Whether it signs now")


class RotationRequest(Schema):
    """When the next key takes over."""

    model_config = example(lead_seconds=86_400)

    lead_seconds: int = Field(
        default=LEAD_SECONDS,
        strict=True,
        ge=0,
        le=DAY,
        description="How long the key is published before it signs; 0 only when the old one leaked",
    )


@keys_router.get("", summary="List signing keys")
async def list_keys(_: Annotated[Principal, Requires("gateway.keys:write")], keys: KeysHere) -> list[SigningKeyView]:
    """The published keys, the oldest first."""
    signing = keys.signing
    return [
        SigningKeyView(key_id=key.key_id, use_from=datetime.fromtimestamp(key.use_from, UTC), signs=key is signing)
        for key in keys.all
    ]


@keys_router.post("", status_code=201, summary="Add the next signing key")
async def add_key(
    request: RotationRequest,
    principal: Annotated[Principal, Requires("gateway.keys:write")],
    rotation: Annotated[Rotation, Provided(Rotation)],
) -> SigningKeyView:
    """Make the next key. Tokens of the one before stay good until they expire."""
    made = await rotation.rotate(principal.subject, request.lead_seconds)
    return SigningKeyView(
        key_id=made.key_id,
        use_from=datetime.fromtimestamp(made.use_from, UTC),
        signs=request.lead_seconds == 0,
    )


@keys_router.delete("/{key_id}", status_code=204, summary="Withdraw a signing key", responses=refusals(NotFound))
async def withdraw_key(
    key_id: Annotated[str, Path(max_length=100, description="The key's `kid`")],
    principal: Annotated[Principal, Requires("gateway.keys:write")],
    rotation: Annotated[Rotation, Provided(Rotation)],
) -> None:
    """Take back a key that leaked: nobody takes its tokens any more, within seconds here and a minute in the services.

    One that signs is followed by a new one at once.
    """
    await rotation.withdraw(key_id, principal.subject)


async def oauth_error(_request: Request, error: OAuth2Error) -> Response:
    """An error as RFC 6749 section 5.2 wants it, which is older than problem documents."""
    status, body, headers = error()
    return JSONResponse(body, status, dict(headers) | NO_STORE)
