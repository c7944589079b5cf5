"""Campaigns: what is sent to whom, for which purpose."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from cme_kit.schemas import LANGUAGES
from pydantic import BaseModel, ConfigDict

from outreach.consents.domain import Purpose


class CampaignState(StrEnum):
    """Where a campaign is."""

    DRAFT = "draft"
    SENDING = "sending"
    FINISHED = "finished"


class Audience(BaseModel):
    """Which clusters a campaign addresses; empty lists mean all."""

    model_config = ConfigDict(frozen=True)

    countries: list[str] = []
    labels: list[str] = []


class Campaign(BaseModel):
    """A mailing in up to five languages."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    campaign_id: str
    name: str
    purpose: Purpose
    subject: dict[str, str]
    body: dict[str, str]
    action: dict[str, str]
    audience: Audience
    state: CampaignState
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    finished_at: datetime | None = None


def language_for(wanted: str, *texts: Mapping[str, str]) -> str:
    """The contact's language when every text of the mail has it, else English: never a mail in two languages."""
    return wanted if wanted in LANGUAGES and all(text.get(wanted) for text in texts) else "en"
