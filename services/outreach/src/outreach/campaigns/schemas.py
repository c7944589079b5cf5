"""Shapes of the campaign API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from cme_kit.schemas import CountryCode, LanguageMap, LongText, Schema, ShortText, example
from pydantic import AfterValidator, BaseModel, Field

from outreach.campaigns.domain import CampaignState
from outreach.consents.domain import Purpose
from outreach.sending.domain import Send, SendState


def _one_line(texts: dict[str, str]) -> dict[str, str]:
    for language, text in texts.items():
        if len(text) > 200 or not text.isprintable():  # noqa: PLR2004  (RFC 5322: a header is one line)
            raise ValueError(f"write {language} as one line of at most 200 signs")
    return texts


Line = Annotated[LanguageMap, AfterValidator(_one_line)]


class NewAudience(Schema):
    """Which clusters are addressed; an empty list means all."""

    countries: list[CountryCode] = Field(default_factory=list)
    labels: list[Literal["none", "bronze", "silver", "gold"]] = Field(default_factory=list)


class NewCampaign(Schema):
    """A mailing. A contact gets its language when subject, body and action all have it, else English."""

    model_config = example(
        name="Invitation to the open webinar",
        purpose="event_invite",
        subject={"en": "How clusters grow: an open webinar"},
        body={"en": "On 14 October four cluster managers tell what worked.\n\nIt takes an hour and costs nothing."},
        action={"en": "Say that you come"},
        audience={"countries": ["SE", "FI"], "labels": ["bronze", "silver"]},
    )

    name: ShortText
    purpose: Purpose
    subject: Line
    body: LanguageMap = Field(description="Plain text; an empty line separates paragraphs")
    action: Line = Field(description="What the button to the interest page says")
    audience: NewAudience = NewAudience()


class CampaignCounts(BaseModel):
    """Sends by state; together they are always the snapshot."""

    snapshot: int
    queued: int
    sending: int
    sent: int
    failed: int
    suppressed: int
    in_doubt: int


class CampaignView(BaseModel):
    """A campaign with its figures as they are now."""

    campaign_id: str
    name: str
    purpose: Purpose
    subject: dict[str, str]
    body: dict[str, str]
    action: dict[str, str]
    audience: NewAudience
    state: CampaignState
    counts: CampaignCounts
    clusters_contacted: int = Field(description="Distinct clusters whose mail the relay accepted")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SendView(BaseModel):
    """One address in a campaign; the address itself is with the contact."""

    send_id: str
    contact_id: str
    cluster_id: str
    language: str
    state: SendState
    rule_id: str = Field(description="The rule that allowed or forbade it")
    message_id: str
    reply: str | None = Field(description="What the relay said, or why not")
    attempts: int
    claimed_at: datetime | None
    finished_at: datetime | None
    settlement: dict[str, Any] | None

    @classmethod
    def of(cls, send: Send) -> SendView:
        """The public side of a send."""
        return cls.model_validate(send.model_dump(include=set(cls.model_fields)))


class Settlement(Schema):
    """What a person found out about a send in doubt, for example in the relay's log by its Message-ID."""

    model_config = example(outcome="delivered", evidence="Delivery report of the relay, 14 October 2026, 10:02")

    outcome: Literal["delivered", "not_delivered"]
    evidence: LongText
