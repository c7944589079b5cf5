"""Rules of an application: eligibility and reading. Pure."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from enrolment.calls.domain import Fact

#: What the European Cluster Collaboration Platform asks of a cluster organisation's profile.
MINIMUM_FTE = 0.5
MINIMUM_MEMBERS = 15
MINIMUM_MEMBER_TYPES = 2
#: Every application is read by two; each gives up to 5 for motivation, experience and impact.
READERS = 2
MOST_POINTS_OF_ONE_READER = 15
MOST_POINTS = READERS * MOST_POINTS_OF_ONE_READER


class MemberType(StrEnum):
    """Kinds of members that a cluster brings together (triple helix and beyond)."""

    COMPANY = "company"
    RESEARCH = "research"
    EDUCATION = "education"
    PUBLIC = "public"
    ASSOCIATION = "association"
    INVESTOR = "investor"
    OTHER = "other"


class ApplicationState(StrEnum):
    """Where an application is in its life."""

    SUBMITTED = "submitted"
    OFFERED = "offered"
    WAITLISTED = "waitlisted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Cluster(Fact):
    """The applicant's cluster organisation as the application tells it."""

    management_fte: float
    members: int
    member_types: list[MemberType]


class Check(Fact):
    """One rule of eligibility and how it came out."""

    rule: str
    required: float
    actual: float
    passed: bool


class Eligibility(Fact):
    """Whether an application may be read, by the rules or by a waiver."""

    eligible: bool
    waived: bool = False
    waiver_reason: str | None = None
    checks: list[Check]


class Score(Fact):
    """What one reader thinks of an application."""

    score_id: str
    reader_id: str
    motivation: int
    experience: int
    impact: int
    comment: str
    total: int
    scored_at: datetime


class Application(Fact):
    """An application of one person to one call, for their cluster organisation."""

    application_id: str
    call_id: str
    person_id: str
    organisation_id: str
    country: str
    motivation: str
    employer_support: bool
    cluster: Cluster
    eligibility: Eligibility
    submitted_at: datetime
    scores: list[Score] = Field(default_factory=list)
    state: ApplicationState = ApplicationState.SUBMITTED
    rank: int | None = None
    explanation: str | None = None
    waived_by: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether both readers have scored it."""
        return len(self.scores) >= READERS

    @property
    def points(self) -> int:
        """The readers' totals together, 0 to 30."""
        return sum(score.total for score in self.scores)


def check_eligibility(cluster: Cluster) -> Eligibility:
    """Check a cluster organisation against the three rules."""
    figures = (
        ("management_fte", MINIMUM_FTE, cluster.management_fte),
        ("members", MINIMUM_MEMBERS, cluster.members),
        ("member_types", MINIMUM_MEMBER_TYPES, len(set(cluster.member_types))),
    )
    checks = [
        Check(rule=rule, required=required, actual=actual, passed=actual >= required)
        for rule, required, actual in figures
    ]
    return Eligibility(eligible=all(check.passed for check in checks), checks=checks)


def describe_failed(eligibility: Eligibility) -> str:
    """The rules that an application misses, in words."""
    words = {
        "management_fte": "full-time equivalents of dedicated management",
        "members": "committed members",
        "member_types": "types of members",
    }
    return "; ".join(
        f"{check.actual:g} {words[check.rule]} where at least {check.required:g} are required"
        for check in eligibility.checks
        if not check.passed
    )


def has_conflict_of_interest(application: Application, reader_id: str, reader_organisation: str | None) -> bool:
    """Whether a reader is the applicant or acts for the applicant's organisation."""
    return application.person_id == reader_id or application.organisation_id == reader_organisation
