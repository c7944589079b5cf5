"""Evidence: what may be handed in, and how content is held against what was declared."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from cme_kit.problems import Conflict, FieldError, ServiceError, Unprocessable

from assessment.plans.domain import Record

MAX_SIZE = 5 * 1024 * 1024
#: Pieces of evidence that a learner may have open for one unit.
MAX_OPEN = 10
SIGNATURES = {
    "application/pdf": b"%PDF-",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "application/zip": b"PK\x03\x04",
}
TEXT_TYPES = frozenset({"text/plain", "text/markdown"})
EXTENSIONS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "image/png": "png",
    "image/jpeg": "jpg",
    "application/zip": "zip",
}
MEDIA_TYPES = tuple(EXTENSIONS)
#: Control characters that no text has: below space without tab, line feed, form feed, carriage return; and delete.
_NO_TEXT = frozenset(range(0x20)) - {0x09, 0x0A, 0x0C, 0x0D} | {0x7F}


class SubmissionState(StrEnum):
    """Where a piece of evidence is; only its own learner moves it before it is assessed."""

    AWAITING_CONTENT = "awaiting_content"
    SUBMITTED = "submitted"
    ASSESSED = "assessed"
    #: The unit was achieved without it.
    SUPERSEDED = "superseded"
    #: The person was erased before it was assessed.
    ERASED = "erased"


OPEN_STATES = (SubmissionState.AWAITING_CONTENT, SubmissionState.SUBMITTED)


class Submission(Record):
    """A declared piece of evidence of one learner for one unit."""

    submission_id: str
    enrolment_id: str
    person_id: str
    plan_id: str
    unit_id: str
    title: str
    media_type: str
    size: int
    sha256: str
    state: SubmissionState
    declared_at: datetime
    submitted_at: datetime | None = None
    late: bool | None = None


class ContentTooLarge(ServiceError):
    """More than a piece of evidence may have."""

    code, status = "content_too_large", 413


class ContentMismatch(Unprocessable):
    """The bytes are not those that were declared."""

    code = "content_mismatch"


class LearnerWithdrawn(Conflict):
    """The learner left the programme."""

    code = "learner_withdrawn"


class NoAgreement(Conflict):
    """No learning agreement in force covers the unit."""

    code = "no_agreement"


class UnitAchieved(Conflict):
    """The unit needs no more evidence."""

    code = "unit_achieved"


class TooManySubmissions(Conflict):
    """The learner already has many open pieces of evidence for the unit."""

    code = "too_many_submissions"


class NotOpen(Conflict):
    """The evidence is assessed, superseded or erased."""

    code = "wrong_state"


def check_size(size: int) -> None:
    """Raise ContentTooLarge above the limit of a piece of evidence."""
    if size > MAX_SIZE:
        raise ContentTooLarge(f"A piece of evidence has at most {MAX_SIZE} bytes; hand it in as several.")


def is_of_type(media_type: str, content: bytes) -> bool:
    """Whether bytes look like what their media type says: the format's signature, or text in UTF-8."""
    if media_type in TEXT_TYPES:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return _NO_TEXT.isdisjoint(content)
    return content.startswith(SIGNATURES[media_type])


def check_content(submission: Submission, content: bytes) -> None:
    """Raise ContentMismatch, naming each difference, unless these are the declared bytes."""
    errors = []
    if len(content) != submission.size:
        detail = f"declared {submission.size} bytes, received {len(content)}"
        errors.append(FieldError(field="size", code="size_differs", detail=detail))
    if hashlib.sha256(content).hexdigest() != submission.sha256:
        errors.append(FieldError(field="sha256", code="hash_differs", detail="these are not the declared bytes"))
    if not is_of_type(submission.media_type, content):
        detail = f"this is no {submission.media_type}"
        errors.append(FieldError(field="media_type", code="type_differs", detail=detail))
    if errors:
        raise ContentMismatch(
            "The content is not what was declared; nothing was stored. Send it again, or declare it anew.",
            errors=errors,
        )
