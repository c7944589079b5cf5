"""Events of enrolment: organisations, people, calls, applications, seats, learners, agreements."""

from datetime import date, datetime

from pydantic import Field

from cme_contracts.registry import Event, event


@event("com.clustereducation.enrolment.organisation.registered.v1")
class OrganisationRegistered(Event):
    """An organisation takes part: a partner of the programme or a cluster organisation."""

    organisation_id: str = Field(description="org_…")
    name: str = Field(description="Legal or working name of the organisation")
    country: str = Field(description="ISO 3166-1 alpha-2")
    kind: str = Field(description="partner or cluster")


@event("com.clustereducation.enrolment.person.registered.v1", personal_data=True)
class PersonRegistered(Event):
    """A person gave or changed name, address or language."""

    person_id: str = Field(description="per_…, the subject of the person's tokens")
    given_name: str = Field(description="Given name as the person writes it")
    family_name: str = Field(description="Family name as the person writes it")
    email: str = Field(description="Address for service messages")
    language: str = Field(description="en, sv, fi, lt or de")


@event("com.clustereducation.enrolment.person.erased.v1")
class PersonErased(Event):
    """A person's data was erased; whoever keeps any deletes it."""

    person_id: str = Field(description="per_…")


@event("com.clustereducation.enrolment.call.opened.v1")
class CallOpened(Event):
    """A call for applications was announced."""

    call_id: str = Field(description="call_…")
    cohort_id: str = Field(description="coh_…, the cohort that the call fills")
    programme_id: str = Field(description="prg_…")
    programme_version: int = Field(description="The published version that learners will follow")
    seats: int = Field(description="Seats of the cohort")
    opens_at: datetime = Field(description="First moment for applications, UTC")
    closes_at: datetime = Field(description="Last moment for applications, UTC")


@event("com.clustereducation.enrolment.application.submitted.v1")
class ApplicationSubmitted(Event):
    """Somebody applied to a call for their cluster organisation."""

    application_id: str = Field(description="app_…")
    call_id: str = Field(description="call_…")
    person_id: str = Field(description="per_… of the applicant")
    organisation_id: str = Field(description="org_… of the applicant's cluster organisation")
    country: str = Field(description="Country whose quota counts, ISO 3166-1 alpha-2")


@event("com.clustereducation.enrolment.application.ranked.v1")
class ApplicationRanked(Event):
    """The selection decided on an application."""

    application_id: str = Field(description="app_…")
    call_id: str = Field(description="call_…")
    rank: int = Field(description="Place in the list, from 1")
    decision: str = Field(description="offered, waitlisted or rejected")


@event("com.clustereducation.enrolment.seat.offered.v1")
class SeatOffered(Event):
    """A seat was offered to an applicant."""

    offer_id: str = Field(description="ofr_…")
    application_id: str = Field(description="app_…")
    call_id: str = Field(description="call_…")
    answer_by: datetime = Field(description="After this moment the offer expires, UTC")


@event("com.clustereducation.enrolment.seat.declined.v1")
class SeatDeclined(Event):
    """An applicant declined an offered seat."""

    offer_id: str = Field(description="ofr_…")
    application_id: str = Field(description="app_…")
    call_id: str = Field(description="call_…")


@event("com.clustereducation.enrolment.seat.expired.v1")
class SeatExpired(Event):
    """An offer was not answered in time."""

    offer_id: str = Field(description="ofr_…")
    application_id: str = Field(description="app_…")
    call_id: str = Field(description="call_…")


@event("com.clustereducation.enrolment.learner.enrolled.v1")
class LearnerEnrolled(Event):
    """An applicant accepted a seat and is a learner of the cohort."""

    enrolment_id: str = Field(description="enr_…")
    application_id: str = Field(description="app_…")
    person_id: str = Field(description="per_…")
    organisation_id: str = Field(description="org_… of the learner's cluster organisation")
    country: str = Field(description="ISO 3166-1 alpha-2")
    call_id: str = Field(description="call_…")
    cohort_id: str = Field(description="coh_…")
    programme_id: str = Field(description="prg_…")
    programme_version: int = Field(description="The version the learner follows to the end")


@event("com.clustereducation.enrolment.learner.withdrawn.v1")
class LearnerWithdrawn(Event):
    """A learner left the programme before its end; credit already recognised stays."""

    enrolment_id: str = Field(description="enr_…")
    person_id: str = Field(description="per_…")
    cohort_id: str = Field(description="coh_…")
    reason_code: str = Field(description="job_change, workload, health, personal or other")
    withdrawn_on: date = Field(description="Day from which it holds")


@event("com.clustereducation.enrolment.agreement.approved.v1")
class AgreementApproved(Event):
    """Learner, home and host approved the same content of a learning agreement: it is in force."""

    agreement_id: str = Field(description="agr_…")
    enrolment_id: str = Field(description="enr_…")
    version: int = Field(description="Version of the agreement")
    content_hash: str = Field(description="SHA-256 (hex) of the canonical content all three approved")
    unit_ids: list[str] = Field(description="unt_… agreed upon")
    home_organisation_id: str = Field(description="org_… that sends the learner")
    host_organisation_id: str = Field(description="org_… that receives the learner")
