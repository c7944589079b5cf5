"""The selection in the REST API."""

from datetime import datetime

from cme_kit.schemas import Moment, Schema, example
from pydantic import BaseModel, Field

from enrolment.applications.domain import ApplicationState


class NewSelection(Schema):
    """Make the selection now."""

    model_config = example(answer_by="2026-06-21T22:00:00Z")

    answer_by: Moment = Field(description="Until when the offers can be answered")


class RankedView(BaseModel):
    """One line of the ranked list."""

    application_id: str
    person_id: str
    rank: int
    score: int | None = Field(description="Both readers' points together, of 30; null when not eligible")
    country: str
    decision: ApplicationState
    explanation: str
    offer_id: str | None = None


class SelectionView(BaseModel):
    """The ranked list of a call."""

    call_id: str
    made_at: datetime
    answer_by: datetime
    ranked: list[RankedView]
