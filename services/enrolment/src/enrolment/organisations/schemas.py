"""Organisations in the REST API."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from cme_kit.schemas import CountryCode, Schema, example
from pydantic import BaseModel, Field, StringConstraints

OrganisationId = Annotated[str, StringConstraints(pattern=r"^org_[0-9a-z]{26}$")]
#: One line of text that may be printed, mailed and put into a header.
OneLine = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Website = Annotated[str, StringConstraints(max_length=500, pattern=r'^https?://[^\s\x00-\x1f<>"]+$')]


class OrganisationKind(StrEnum):
    """What an organisation is to the programme."""

    PARTNER = "partner"
    CLUSTER = "cluster"


class NewOrganisation(Schema):
    """A partner of the programme or a cluster organisation."""

    model_config = example(
        name="Lietuvos fotonikos klasteris", country="LT", kind="cluster", website="https://photonics.example"
    )

    name: OneLine = Field(description="Legal or working name")
    country: CountryCode = Field(description="ISO 3166-1 alpha-2")
    kind: OrganisationKind = Field(description="partner or cluster")
    website: Website | None = Field(default=None, description="Address of its own pages")


class OrganisationView(BaseModel):
    """An organisation as it is registered."""

    organisation_id: str
    name: str
    country: str
    kind: OrganisationKind
    website: str | None
    registered_at: datetime
