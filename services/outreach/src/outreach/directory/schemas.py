"""Shapes of the directory's API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from cme_kit.schemas import CalendarDay, CountryCode, LongText, Schema, ShortText, example
from pydantic import BaseModel, Field

from outreach.directory.domain import Cluster

Label = Literal["none", "bronze", "silver", "gold"]


class NewCluster(Schema):
    """An organisation to put into the directory by hand."""

    model_config = example(
        name="Lietuvos fotonikos klasteris",
        name_en="Lithuanian Photonics Cluster",
        country="LT",
        nuts2="LT01",
        sector="Photonics",
        members=43,
        label="silver",
        label_awarded="2025-03-01",
        website="https://photonics.example",
        source="Its own page",
    )

    name: ShortText
    name_en: ShortText | None = None
    country: CountryCode
    nuts2: str | None = Field(default=None, pattern=r"^[A-Z]{2}[0-9A-Z]{2}$", description="NUTS 2021, level 2")
    sector: ShortText | None = None
    members: int | None = Field(default=None, strict=True, ge=0, le=999_999)
    label: Label | None = None
    label_awarded: CalendarDay | None = None
    website: ShortText | None = None
    phone: ShortText | None = None
    external_id: ShortText | None = None
    source: ShortText = Field(description="Where this is known from")
    obtained_from: ShortText | None = Field(
        default=None, description="Whom we have it from, for the notice of Art. 14 GDPR"
    )


class ClusterChange(Schema):
    """Fields to correct; what is not named stays."""

    model_config = example(members=45, source="Annual report 2025")

    name: ShortText | None = None
    name_en: ShortText | None = None
    country: CountryCode | None = None
    nuts2: str | None = Field(default=None, pattern=r"^[A-Z]{2}[0-9A-Z]{2}$")
    sector: ShortText | None = None
    members: int | None = Field(default=None, strict=True, ge=0, le=999_999)
    website: ShortText | None = None
    source: ShortText = Field(description="Where the correction is known from")


class MergeRequest(Schema):
    """Two entries that are one organisation."""

    model_config = example(other="clu_01k8z4m7qhe5tb3v9w2x6y0n1d", reason="The same association under its former name")

    other: str = Field(description="clu_… that is taken over and then points here")
    reason: LongText


class OtherValue(BaseModel):
    """What another source says."""

    value: Any
    source: str
    obtained_from: str | None
    recorded_at: datetime


class FieldView(OtherValue):
    """A value with its provenance; `others` holds what other sources say."""

    others: list[OtherValue]


class ClusterView(BaseModel):
    """A directory entry."""

    cluster_id: str
    name: str
    country: str | None
    fields: dict[str, FieldView]
    external_ids: list[str]
    organisation_ids: list[str]
    merged_into: str | None
    revision: int
    created_at: datetime

    @classmethod
    def of(cls, cluster: Cluster) -> ClusterView:
        """The public side of an entry."""
        kept = {"fields", "external_ids", "organisation_ids", "merged_into", "revision", "created_at", "cluster_id"}
        return cls(name=cluster.name, country=cluster.country, **cluster.model_dump(include=kept))
