"""Campaigns in MongoDB."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from outreach.campaigns.domain import Campaign, CampaignState

CAMPAIGNS = "campaigns"
INDEXES = (Index(CAMPAIGNS, ("state", "_id")),)


def _campaign(row: Document) -> Campaign:
    return Campaign.model_validate({**row, "campaign_id": row["_id"]})


class CampaignRepository:
    """Reads and writes campaigns."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(CAMPAIGNS)

    async def add(self, campaign: Campaign, session: Session) -> None:
        """Store a new campaign."""
        row = {"_id": campaign.campaign_id, **campaign.model_dump(exclude={"campaign_id"})}
        await self._rows.insert(row, session=session)

    async def find(self, campaign_id: str, session: Session | None = None) -> Campaign | None:
        """A campaign by its id."""
        row = await self._rows.find_one({"_id": campaign_id}, session=session)
        return _campaign(row) if row else None

    async def sending(self) -> list[Campaign]:
        """Campaigns with work to do, oldest first."""
        return [_campaign(row) for row in await self._rows.find({"state": CampaignState.SENDING}, sort=[("_id", 1)])]

    async def page(self, *, after: str | None, limit: int) -> list[Campaign]:
        """Campaigns, oldest first, one more than `limit` when there are."""
        chosen: Document = {"_id": {"$gt": after}} if after is not None else {}
        return [_campaign(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def move_on(
        self, campaign_id: str, before: CampaignState, after: CampaignState, at: datetime, session: Session
    ) -> Campaign | None:
        """Change the state, or None when the campaign was in another one."""
        moment = "started_at" if after is CampaignState.SENDING else "finished_at"
        update = {"$set": {"state": after, moment: at}}
        row = await self._rows.change({"_id": campaign_id, "state": before}, update, session=session)
        return _campaign(row) if row else None
