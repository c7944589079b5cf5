"""`/oauth/register` (RFC 7591 section 3), and the tokens that invite to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from cme_kit import strict_json
from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import Provided, service_router
from cme_kit.schemas import Schema, example
from cme_kit.strict_json import MalformedJson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.clients.schemas import OrganisationId, Scope
from gateway.networks import network_of
from gateway.oauth.registration import InvalidClientMetadata, InvalidInvitation, Invitations, Registrations

public_router = APIRouter(include_in_schema=False)
router = service_router("registration", "/gateway/v1/invitations")
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@public_router.post("/oauth/register")
async def register(
    request: Request,
    _: Annotated[None, Public()],
    registrations: Annotated[Registrations, Provided(Registrations)],
) -> JSONResponse:
    """Register a client."""
    try:
        metadata = strict_json.parse(await request.body())
    except MalformedJson as error:
        raise InvalidClientMetadata(str(error)) from error
    if not isinstance(metadata, dict):
        raise InvalidClientMetadata("Send the client's metadata as a JSON object.")
    authorization = request.headers.get("authorization")
    scheme, _space, token = (authorization or "").partition(" ")
    if authorization is not None and (scheme.lower() != "bearer" or not token.strip()):
        raise InvalidInvitation("Send the initial access token as a Bearer token.")
    network = network_of(request.client.host) if request.client else "unknown"
    answer = await registrations.register(metadata, token.strip() or None, network)
    return JSONResponse(answer, 201, NO_STORE)


class InvitationRequest(Schema):
    """What clients that bring the token may become."""

    model_config = example(scopes=["curriculum.catalogue:read"], sandbox=True, hours=72, uses=1)

    scopes: list[Scope] = Field(min_length=1, max_length=100, description="The most that such a client may have")
    organisation_id: OrganisationId | None = Field(default=None, description="The organisation they act for")
    sandbox: bool = Field(
        default=False, strict=True, description="Whether they open the sandbox only, and need no approval"
    )
    hours: int = Field(default=72, strict=True, ge=1, le=24 * 30, description="How long the token holds")
    uses: int = Field(default=1, strict=True, ge=1, le=100, description="How many clients may register with it")


class NewInvitation(BaseModel):
    """A new initial access token, shown this once."""

    initial_access_token: str
    expires_at: datetime


@router.post("", status_code=201, summary="Invite clients to register")
async def invite(
    request: InvitationRequest,
    principal: Annotated[Principal, Requires("gateway.clients:write")],
    invitations: Annotated[Invitations, Provided(Invitations)],
) -> NewInvitation:
    """Make an initial access token (RFC 7591 section 1.2)."""
    token, expires = await invitations.issue(
        principal.subject,
        frozenset(request.scopes),
        request.organisation_id,
        timedelta(hours=request.hours),
        request.uses,
        sandbox=request.sandbox,
    )
    return NewInvitation(initial_access_token=token, expires_at=expires)
