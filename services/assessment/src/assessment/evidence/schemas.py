"""Bodies of the evidence API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from cme_kit.schemas import Schema, ShortText, example
from pydantic import Field, StringConstraints

from assessment.evidence.domain import Submission, SubmissionState

MediaType = Literal["application/pdf", "text/plain", "text/markdown", "image/png", "image/jpeg", "application/zip"]


class NewSubmission(Schema):
    """A piece of evidence, declared before its bytes are sent."""

    model_config = example(
        title="Facilitation plan",
        media_type="application/pdf",
        size=48213,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )

    title: ShortText
    media_type: MediaType
    size: int = Field(strict=True, ge=1, description="Bytes, at most 5 MiB (5242880)")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="Of the content, in hex")


class SubmissionView(Schema):
    """A piece of evidence."""

    submission_id: str
    enrolment_id: str
    unit_id: str
    plan_id: str
    title: str
    media_type: str
    size: int
    sha256: str
    state: SubmissionState
    declared_at: datetime
    submitted_at: datetime | None = Field(description="When its content was complete and verified, UTC")
    late: bool | None = Field(description="Whether that was after the plan's due day; null without one")

    @classmethod
    def of(cls, submission: Submission) -> SubmissionView:
        """The submission as callers see it."""
        return cls(**submission.model_dump(exclude={"person_id"}))
