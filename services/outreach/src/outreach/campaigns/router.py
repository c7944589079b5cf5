"""Campaigns over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page, Schema, example
from fastapi import Request, Response

from outreach.campaigns.schemas import CampaignView, NewCampaign, SendView, Settlement
from outreach.campaigns.service import Campaigns, NobodyToMail, WrongState
from outreach.sending.domain import SendState

router = service_router("campaigns", "/outreach/v1")
Sender = Annotated[Principal, Requires("outreach.campaigns:write")]


class StartRequest(Schema):
    """Nothing to say: everything is in the draft."""

    model_config = example()


@router.post("/campaigns", status_code=201)
async def draft_campaign(
    body: NewCampaign, once: Once, campaigns: Annotated[Campaigns, Provided(Campaigns)], principal: Sender
) -> CampaignView:
    """Draft a campaign."""
    return await once(CampaignView, lambda tx: campaigns.draft(tx, body, principal.subject))


@router.get("/campaigns")
async def list_campaigns(
    request: Request, response: Response, paging: Paged, campaigns: Annotated[Campaigns, Provided(Campaigns)], _: Sender
) -> Page[CampaignView]:
    """Campaigns with their figures, oldest first."""
    items = await campaigns.page(after=paging.after, limit=paging.limit)
    return page_of(request, response, items, paging, lambda item: item.campaign_id)


@router.post("/campaigns/{campaign_id}/start", responses=refusals(NobodyToMail, WrongState))
async def start_campaign(
    campaign_id: str,
    _body: StartRequest,
    once: Once,
    campaigns: Annotated[Campaigns, Provided(Campaigns)],
    _: Sender,
) -> CampaignView:
    """Fix the recipients and send in the background; consent is read again for every single mail."""
    view = await once(CampaignView, lambda tx: campaigns.start(tx, campaign_id))
    campaigns.wake.set()
    return view


@router.get("/campaigns/{campaign_id}")
async def read_campaign(
    campaign_id: str, campaigns: Annotated[Campaigns, Provided(Campaigns)], _: Sender
) -> CampaignView:
    """A campaign with its figures as they are now; the states always add up to the snapshot."""
    return await campaigns.read(campaign_id)


@router.get("/campaigns/{campaign_id}/sends")
async def list_sends(
    campaign_id: str,
    request: Request,
    response: Response,
    paging: Paged,
    campaigns: Annotated[Campaigns, Provided(Campaigns)],
    _: Sender,
    state: SendState | None = None,
) -> Page[SendView]:
    """Each address of a campaign with its state, the rule that decided and the relay's reply."""
    items = await campaigns.sends(campaign_id, state=state, after=paging.after, limit=paging.limit)
    return page_of(request, response, items, paging, lambda item: item.send_id)


@router.post("/sends/{send_id}/settlement", responses=refusals(WrongState))
async def settle_send(
    send_id: str,
    body: Settlement,
    once: Once,
    campaigns: Annotated[Campaigns, Provided(Campaigns)],
    principal: Sender,
) -> SendView:
    """Say what became of a send in doubt. Not delivered queues it again, by your decision and with your name."""
    view = await once(SendView, lambda tx: campaigns.settle(tx, send_id, body, principal.subject))
    campaigns.wake.set()
    return view
