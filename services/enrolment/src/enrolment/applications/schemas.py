"""Applications in the REST API."""

from datetime import datetime
from typing import Annotated, Self

from cme_kit.schemas import CountryCode, LongText, Schema, example
from pydantic import BaseModel, Field

from enrolment.applications.domain import Application, ApplicationState, Cluster, Eligibility, MemberType, Score
from enrolment.organisations.schemas import OrganisationId


class ClusterProfile(Schema):
    """The cluster organisation you apply for, as far as eligibility asks."""

    management_fte: Annotated[float, Field(strict=True, ge=0, le=1000)] = Field(
        description="Full-time equivalents of management"
    )
    members: Annotated[int, Field(strict=True, ge=0, le=100_000)] = Field(description="Committed members")
    member_types: list[MemberType] = Field(min_length=1, max_length=20, description="Kinds of members there are")


class NewApplication(Schema):
    """An application to a call."""

    model_config = example(
        organisation_id="org_01k8z4m7qhe5tb3v9w2x6y0n1c",
        country="LT",
        motivation="Our photonics cluster begins to work with Finland and Sweden; I am to lead that.",
        employer_support=True,
        cluster={"management_fte": 2.5, "members": 43, "member_types": ["company", "research"]},
    )

    organisation_id: OrganisationId = Field(description="org_… of your cluster organisation")
    country: CountryCode = Field(description="Country whose quota counts")
    motivation: LongText = Field(description="Why you, and what your cluster will gain")
    employer_support: bool = Field(strict=True, description="Whether your employer gives you the time")
    cluster: ClusterProfile


class NewWaiver(Schema):
    """A decision to treat an application as eligible."""

    model_config = example(reason="Part of the national cluster programme, which checks the number of members itself.")

    reason: LongText = Field(description="Why the rule that is missed does not count here")


Points = Annotated[int, Field(strict=True, ge=0, le=5)]


class NewScore(Schema):
    """What a reader thinks of an application."""

    model_config = example(
        motivation=4, experience=3, impact=5, comment="Clear aims; the network in Finland is a gain for all."
    )

    motivation: Points = Field(description="0 to 5")
    experience: Points = Field(description="0 to 5")
    impact: Points = Field(description="0 to 5: what the cluster would gain")
    comment: LongText = Field(description="In words, for the selection")


class ScoreView(BaseModel):
    """A reader's score."""

    score_id: str
    application_id: str
    reader_id: str
    motivation: int
    experience: int
    impact: int
    comment: str
    total: int = Field(description="Of 15")
    scored_at: datetime

    @classmethod
    def of(cls, application_id: str, score: Score) -> Self:
        """The view of a score."""
        return cls(application_id=application_id, **score.model_dump())


class ApplicationView(BaseModel):
    """An application as its reader may see it."""

    application_id: str
    call_id: str
    person_id: str
    organisation_id: str
    country: str
    motivation: str
    employer_support: bool
    cluster: Cluster
    eligibility: Eligibility
    state: ApplicationState
    rank: int | None = Field(description="Place in the list, once the selection is made")
    explanation: str | None = Field(description="Why the selection decided so")
    scores: list[ScoreView] = Field(description="Those you may see: readers their own until both have scored")
    submitted_at: datetime

    @classmethod
    def of(cls, application: Application, scores: list[Score]) -> Self:
        """The view of an application with these of its scores."""
        shown = [ScoreView.of(application.application_id, score) for score in scores]
        return cls(scores=shown, **{key: value for key, value in application if key in _SHOWN})


_SHOWN = frozenset(ApplicationView.model_fields) - {"scores"}
