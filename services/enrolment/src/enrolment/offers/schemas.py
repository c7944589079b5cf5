"""Offers in the REST API."""

from datetime import datetime
from typing import Self

from cme_kit.schemas import LongText, Schema, example
from pydantic import BaseModel, Field

from enrolment.offers.domain import Offer, OfferState


class Refusal(Schema):
    """Declining an offer."""

    model_config = example(reason="I change to another employer in autumn.")

    reason: LongText | None = Field(default=None, description="Why, when you wish to say")


class OfferView(BaseModel):
    """An offer of a seat."""

    offer_id: str
    application_id: str
    call_id: str
    person_id: str
    state: OfferState
    offered_at: datetime
    answer_by: datetime
    answered_at: datetime | None
    enrolment_id: str | None = Field(description="enr_… once accepted")

    @classmethod
    def of(cls, offer: Offer, now: datetime) -> Self:
        """The view of an offer at a moment."""
        shown = {key: value for key, value in offer if key in cls.model_fields and key != "state"}
        return cls(state=offer.state_at(now), **shown)
