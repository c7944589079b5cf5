"""Events of curriculum: published programme versions and offerings."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from cme_contracts.registry import Event, event


class PublishedOutcome(BaseModel):
    """A learning outcome as published (ECVET Recommendation 2009/C 155/02; EQF Recommendation 2017)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome_id: str = Field(description="out_…")
    code: str = Field(description="Short code within the unit, such as M1-S1")
    kind: str = Field(description="knowledge, skills or responsibility_autonomy")
    statement: dict[str, str] = Field(description="What a learner knows or can do, by language")
    required: bool = Field(description="Whether the unit's points need it")
    esco_uris: list[str] = Field(default_factory=list, description="ESCO skills it maps to")


class PublishedUnit(BaseModel):
    """A unit of a published programme version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    unit_id: str = Field(description="unt_…")
    code: str = Field(description="Short code within the programme, such as M1")
    module: int = Field(description="Number of the module, from 1")
    title: dict[str, str] = Field(description="Title by language")
    points: int = Field(description="ECVET points")
    host: str = Field(description="Name of the organisation that hosts the module")
    assessment_method: dict[str, str] = Field(description="How it is assessed, by language")
    outcomes: list[PublishedOutcome] = Field(description="The unit's learning outcomes, in order")


@event("com.clustereducation.curriculum.programme.published.v1")
class ProgrammePublished(Event):
    """A validated version of a programme was published; it never changes again."""

    programme_id: str = Field(description="prg_…")
    version: int = Field(description="Number of the version, from 1")
    slug: str = Field(description="Name in addresses")
    title: dict[str, str] = Field(description="Title by language")
    summary: dict[str, str] = Field(description="One paragraph by language")
    eqf_level: int = Field(description="Level of the European Qualifications Framework, 1 to 8")
    points: int = Field(description="ECVET points, the sum of the units' points")
    content_hash: str = Field(description="SHA-256 (hex) of the canonical content that was voted on")
    published_at: datetime = Field(description="UTC")
    units: list[PublishedUnit] = Field(description="The units in the order of their modules")


@event("com.clustereducation.curriculum.offering.published.v1")
class OfferingPublished(Event):
    """A dated run of a programme version was published or changed."""

    offering_id: str = Field(description="off_…")
    programme_id: str = Field(description="prg_…")
    programme_version: int = Field(description="The version that is taught")
    title: dict[str, str] = Field(description="Title by language")
    starts_on: date = Field(description="First day")
    ends_on: date = Field(description="Last day")


@event("com.clustereducation.curriculum.offering.cancelled.v1")
class OfferingCancelled(Event):
    """An offering will not take place."""

    offering_id: str = Field(description="off_…")
    programme_id: str = Field(description="prg_…")
    reason: str = Field(description="Why, for those who harvested it")
