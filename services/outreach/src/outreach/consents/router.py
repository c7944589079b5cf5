"""Consents and suppressions over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Provided, service_router
from cme_kit.openapi_answers import refusals
from fastapi import Request

from outreach.consents.schemas import (
    ConsentList,
    ConsentView,
    NewConsent,
    NewRelation,
    SuppressionCount,
    Suppressions,
)
from outreach.consents.service import Consents, InTheFuture

router = service_router("consents", "/outreach/v1")
Keeper = Annotated[Principal, Requires("outreach.consents:write")]


@router.post("/contacts/{contact_id}/consents", status_code=201, responses=refusals(InTheFuture))
async def record_consent(
    contact_id: str,
    body: NewConsent,
    once: Once,
    consents: Annotated[Consents, Provided(Consents)],
    principal: Keeper,
) -> ConsentView:
    """Record that a contact gave or withdrew consent for one purpose, with its proof."""
    return await once(ConsentView, lambda tx: consents.record(tx, contact_id, body, principal.subject))


@router.get("/contacts/{contact_id}/consents")
async def list_consents(contact_id: str, consents: Annotated[Consents, Provided(Consents)], _: Keeper) -> ConsentList:
    """Everything a contact ever declared."""
    return await consents.of_contact(contact_id)


@router.put("/contacts/{contact_id}/relation", status_code=204)
async def document_relation(
    contact_id: str,
    body: NewRelation,
    request: Request,
    consents: Annotated[Consents, Provided(Consents)],
    _: Keeper,
) -> None:
    """Document an existing relation or a business interest; whether it suffices, the country's rule says."""
    await request.app.state.platform.outbox.transaction(lambda tx: consents.relate(tx, contact_id, body))


@router.put("/suppressions")
async def suppress_addresses(
    body: Suppressions, request: Request, consents: Annotated[Consents, Provided(Consents)], _: Keeper
) -> SuppressionCount:
    """Never mail these addresses again. Only keyed hashes are kept, so the list cannot be read back."""
    answer: SuppressionCount = await request.app.state.platform.outbox.transaction(
        lambda tx: consents.suppress(tx, body)
    )
    return answer
