"""Events of assessment: evidence, the ECVET chain of a unit's credit, and completion."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from cme_contracts.registry import Event, event


class CreditAct(BaseModel):
    """One step of the ECVET chain: who did it, for which institution, when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    actor_id: str = Field(description="per_… who acted")
    institution_id: str = Field(description="org_… the actor acted for")
    on: date = Field(description="Day of the act")


@event("com.clustereducation.assessment.evidence.submitted.v1")
class EvidenceSubmitted(Event):
    """A learner handed in evidence for a unit, complete and verified against its hash."""

    submission_id: str = Field(description="sub_…")
    enrolment_id: str = Field(description="enr_…")
    unit_id: str = Field(description="unt_…")
    sha256: str = Field(description="SHA-256 (hex) of the content")
    size: int = Field(description="Bytes")
    media_type: str = Field(description="Type of the content")


@event("com.clustereducation.assessment.credit.assessed.v1")
class CreditAssessed(Event):
    """An assessor marked every outcome of a unit for a learner."""

    credit_id: str = Field(description="crd_…")
    enrolment_id: str = Field(description="enr_…")
    unit_id: str = Field(description="unt_…")
    achieved: bool = Field(description="Whether all required outcomes were achieved")
    achieved_outcome_ids: list[str] = Field(description="out_… that were achieved")
    assessed: CreditAct = Field(description="The act of assessment")


@event("com.clustereducation.assessment.mark.amended.v1")
class MarkAmended(Event):
    """An appeal was upheld and changed marks of a unit."""

    credit_id: str = Field(description="crd_…")
    appeal_id: str = Field(description="apl_…")
    enrolment_id: str = Field(description="enr_…")
    unit_id: str = Field(description="unt_…")
    achieved: bool = Field(description="Whether all required outcomes are achieved now")
    achieved_outcome_ids: list[str] = Field(description="out_… that are achieved now")


@event("com.clustereducation.assessment.credit.validated.v1")
class CreditValidated(Event):
    """The assessed outcomes were confirmed to match those the unit requires."""

    credit_id: str = Field(description="crd_…")
    enrolment_id: str = Field(description="enr_…")
    unit_id: str = Field(description="unt_…")
    validated: CreditAct = Field(description="The act of validation")


@event("com.clustereducation.assessment.credit.recognised.v1")
class CreditRecognised(Event):
    """The competent institution officially attested the outcomes: the points are the learner's."""

    credit_id: str = Field(description="crd_…")
    enrolment_id: str = Field(description="enr_…")
    person_id: str = Field(description="per_…")
    programme_id: str = Field(description="prg_…")
    programme_version: int = Field(description="The version that the transcript pins")
    unit_id: str = Field(description="unt_…")
    points: int = Field(description="ECVET points gained")
    achieved_outcome_ids: list[str] = Field(description="out_… attested")
    assessed: CreditAct = Field(description="The act of assessment")
    validated: CreditAct = Field(description="The act of validation")
    recognised: CreditAct = Field(description="The act of recognition")


@event("com.clustereducation.assessment.programme.completed.v1")
class ProgrammeCompleted(Event):
    """Every unit of the programme version is recognised for a learner."""

    enrolment_id: str = Field(description="enr_…")
    person_id: str = Field(description="per_…")
    programme_id: str = Field(description="prg_…")
    programme_version: int = Field(description="The version that the transcript pins")
    points: int = Field(description="ECVET points in all")
    credit_ids: list[str] = Field(description="crd_… of the units, in the order of the modules")
    completed_on: date = Field(description="Day of the last recognition")
