"""Shapes of the facts about who takes part and what is taught."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cme_local.pilot.clusters.spelling import slug

Languages = dict[str, str]


class Fact(BaseModel):
    """A fact of a known shape: a misspelt field is an error, not a field that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Partner(Fact):
    """An organisation that carries the programme."""

    key: str
    name: str
    country: str
    website: str


class Person(Fact):
    """Somebody who works for a partner."""

    key: str
    name: str
    language: str
    role: str
    organisation: str

    @property
    def given_name(self) -> str:
        """The first word."""
        return self.name.partition(" ")[0]

    @property
    def family_name(self) -> str:
        """The rest."""
        return self.name.partition(" ")[2]


class Applicant(Fact):
    """Somebody who applied, and the two readers' scores (motivation, experience, impact); none when not eligible."""

    key: str
    given_name: str
    family_name: str
    country: str
    language: str
    cluster: str
    management_fte: float
    members: int
    member_types: list[str]
    motivation: str
    scores: list[tuple[int, int, int]] = []

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"

    @property
    def email(self) -> str:
        """The address at the cluster."""
        return f"{slug(self.given_name)}.{slug(self.family_name)}@{self.domain}"

    @property
    def domain(self) -> str:
        """The cluster's invented domain."""
        return f"{slug(self.cluster)}.example"

    @property
    def total(self) -> int:
        """Points of both readers together."""
        return sum(sum(score) for score in self.scores)


class Outcome(Fact):
    """A learning outcome of a unit."""

    code: str
    kind: Literal["knowledge", "skills", "responsibility_autonomy"]
    area: str
    skills: list[str]
    statement: str


class Unit(Fact):
    """A unit of the programme: one module."""

    code: str
    module: int
    host: str
    points: int
    title: Languages
    assessment_method: Languages
    criteria: Languages
    outcomes: list[Outcome]


class Area(Fact):
    """A competence area of the occupational profile."""

    code: str
    title: Languages
    skills: list[str]


class Profile(Fact):
    """The occupational profile."""

    title: Languages
    description: Languages
    areas: list[Area]


class Programme(Fact):
    """The programme without its units."""

    slug: str
    language: str
    eqf_level: int
    points: int
    title: Languages
    summary: Languages


class Comment(Fact):
    """A reviewer's comment on an outcome; a blocking one has its resolution."""

    by: str
    outcome: str
    blocking: bool
    text: str
    resolution: str | None = None


class Vote(Fact):
    """A reviewer's vote."""

    by: str
    vote: Literal["approve", "reject"]
    statement: str


class Review(Fact):
    """The review round."""

    experts: list[str]
    reference_group: list[str]
    quorum: int
    comments: list[Comment]
    votes: list[Vote]


class Session(Fact):
    """A dated session of the offering."""

    unit: str
    mode: Literal["onsite", "online"]
    start: str
    end: str
    title: str
    place: str | None = None
    city: str | None = None


class Offering(Fact):
    """The run of the programme in 2020 and 2021."""

    code: str
    title: Languages
    starts_on: date
    ends_on: date
    seats: int
    application_deadline: str
    language: str
    sessions: list[Session]


class Curriculum(Fact):
    """The content of `programme.yaml`."""

    profile: Profile
    programme: Programme
    units: list[Unit]
    review: Review
    offering: Offering
