"""Awards as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cme_kit.schemas import Schema, example
from pydantic import BaseModel, Field, StringConstraints

from credentials.awards.domain import Award, credential_url

Reason = Annotated[str, StringConstraints(min_length=3, max_length=500, pattern=r"[^\s\u0085][\s\S]+[^\s\u0085]")]


class RevocationRequest(Schema):
    """Why a credential is revoked."""

    model_config = example(reason="Issued for the wrong unit")

    reason: Reason = Field(description="Shown on the badge's page: name no person")


class ReissueRequest(Schema):
    """Why an award is issued again."""

    model_config = example(reason="The unit is now the right one")

    reason: Reason = Field(description="Kept with the award")


class AwardView(BaseModel):
    """An award and the state of its latest credential."""

    award_id: str
    kind: str = Field(description="unit or programme")
    achievement_id: str
    person_id: str
    enrolment_id: str
    unit_id: str | None = Field(description="The unit of a unit's award")
    state: str = Field(description="pending, issued or revoked")
    edition: int = Field(description="1 for the first credential, counted up by each reissue")
    credential_id: str
    url: str = Field(description="The public page, which is also the credential's id")
    issued_at: datetime | None
    revoked_at: datetime | None
    revocation_reason: str | None
    reissue_reason: str | None = Field(description="Why this edition replaced the one before")


def award_view(public_url: str, award: Award) -> AwardView:
    """The view of an award."""
    facts = award.model_dump(exclude={"attestation"})
    return AwardView(**facts, url=credential_url(public_url, award.credential_id))
