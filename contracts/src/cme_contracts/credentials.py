"""Events of credentials: what was issued and what was revoked."""

from datetime import datetime

from pydantic import Field

from cme_contracts.registry import Event, event


@event("com.clustereducation.credentials.credential.issued.v1")
class CredentialIssued(Event):
    """A signed credential exists for an award."""

    credential_id: str = Field(description="cred_…")
    award_id: str = Field(description="awd_…, one per learner and achievement")
    edition: int = Field(description="1 for the first credential of the award, counted up by each reissue")
    achievement_id: str = Field(description="ach_…")
    kind: str = Field(description="unit or programme")
    enrolment_id: str = Field(description="enr_…")
    person_id: str = Field(description="per_…")
    issued_at: datetime = Field(description="UTC")


@event("com.clustereducation.credentials.credential.revoked.v1")
class CredentialRevoked(Event):
    """A credential's status says revoked, for ever."""

    credential_id: str = Field(description="cred_…")
    award_id: str = Field(description="awd_…")
    kind: str = Field(description="unit or programme")
    person_id: str = Field(description="per_…")
    revoked_at: datetime = Field(description="UTC")
