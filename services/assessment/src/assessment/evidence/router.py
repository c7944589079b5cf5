"""Evidence over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import ConditionalRequest, Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals, representations
from cme_kit.outbox import Outbox
from cme_kit.problems import ServiceError
from cme_kit.schemas import Page
from cme_kit.strict_json import UnsupportedMediaType
from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from assessment.evidence.domain import (
    EXTENSIONS,
    ContentMismatch,
    ContentTooLarge,
    LearnerWithdrawn,
    NoAgreement,
    NotOpen,
    Submission,
    SubmissionState,
    TooManySubmissions,
    UnitAchieved,
    check_content,
    check_size,
)
from assessment.evidence.schemas import NewSubmission, SubmissionView
from assessment.evidence.service import Evidence

router = service_router("evidence", "/assessment/v1")
#: Bodies here are bytes of the declared type, so no JSON is parsed.
content_router = APIRouter(prefix="/assessment/v1", tags=["evidence"])
Service = Annotated[Evidence, Provided(Evidence)]
Submitter = Annotated[Principal, Requires("assessment.evidence:submit")]
Reader = Annotated[
    Principal, Requires("assessment.transcripts:read", "assessment.evidence:submit", "assessment.marks:write")
]


class IncompleteContent(ServiceError):
    """The connection ended before the body did."""

    code, status = "incomplete_content", 400


@router.post(
    "/learners/{enrolment_id}/units/{unit_id}/submissions",
    status_code=201,
    responses=refusals(ContentTooLarge, LearnerWithdrawn, NoAgreement, TooManySubmissions, UnitAchieved),
)
async def declare_evidence(
    enrolment_id: str, unit_id: str, body: NewSubmission, principal: Submitter, evidence: Service, once: Once
) -> SubmissionView:
    """Declare a piece of evidence by size and hash, then send its bytes to `/submissions/{submission_id}/content`.

    The learner needs a learning agreement in force that covers the unit (409 no_agreement). A unit that was not
    achieved can be handed in again.
    """
    return await once(SubmissionView, lambda tx: evidence.declare(tx, principal, enrolment_id, unit_id, body))


@content_router.put(
    "/submissions/{submission_id}/content",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses=refusals(
        ContentMismatch,
        ContentTooLarge,
        LearnerWithdrawn,
        NoAgreement,
        NotOpen,
        UnitAchieved,
        IncompleteContent,
        UnsupportedMediaType,
    ),
)
async def hand_in_evidence(
    submission_id: str,
    request: Request,
    principal: Submitter,
    evidence: Service,
    outbox: Annotated[Outbox, Provided(Outbox)],
) -> SubmissionView:
    """Send the bytes of a declared piece of evidence.

    They are held against the declared size, hash and type (by the format's signature); with a difference nothing is
    stored (422 content_mismatch). Sending the same bytes again is harmless.
    """
    declared = await evidence.declared(principal, submission_id)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("", "application/octet-stream", declared.media_type):
        raise UnsupportedMediaType(f"Send the bytes as {declared.media_type} or application/octet-stream.")
    content = await _read_content(request, declared)
    check_content(declared, content)
    return await outbox.transaction(lambda tx: evidence.hand_in(tx, principal, submission_id, content))


async def _read_content(request: Request, declared: Submission) -> bytes:
    """The body, read no further than one chunk beyond the declared size."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            check_size(len(content))
            if len(content) > declared.size:
                break
    except ClientDisconnect as error:
        raise IncompleteContent("The content ended before it was complete; send it again.") from error
    return bytes(content)


@router.get("/submissions")
async def list_submissions(
    request: Request,
    response: Response,
    principal: Annotated[Principal, Requires("assessment.marks:write")],
    evidence: Service,
    paging: Paged,
    state: Annotated[SubmissionState, Query()] = SubmissionState.SUBMITTED,
) -> Page[SubmissionView]:
    """Evidence under the plans that the caller's institution assesses, oldest first: an assessor's queue."""
    items = await evidence.queue(principal, state, paging)
    return page_of(request, response, items, paging, lambda submission: submission.submission_id)


@router.get("/learners/{enrolment_id}/submissions")
async def list_evidence_of_learner(enrolment_id: str, principal: Reader, evidence: Service) -> Page[SubmissionView]:
    """All evidence of a learner: for the learner, and for assessors what their institution assesses."""
    return Page(items=await evidence.of_learner(principal, enrolment_id))


@router.get("/submissions/{submission_id}")
async def read_submission(submission_id: str, principal: Reader, evidence: Service) -> SubmissionView:
    """A piece of evidence: for its learner and the institution that assesses it."""
    return await evidence.read(principal, submission_id)


@content_router.get(
    "/submissions/{submission_id}/content",
    response_class=Response,
    responses=representations(*EXTENSIONS),
)
async def read_content(submission_id: str, held: ConditionalRequest, principal: Reader, evidence: Service) -> Response:
    """The bytes of a piece of evidence, always as a download."""
    submission, content = await evidence.read_content(principal, submission_id)
    # Learners upload what they like: a browser neither guesses the type nor shows it on this origin.
    name = f"{submission_id}.{EXTENSIONS[submission.media_type]}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
        "ETag": f'"{submission.sha256}"',
    }
    if held.has(headers["ETag"]):
        return Response(status_code=304, headers={"ETag": headers["ETag"]})
    return Response(content, media_type=submission.media_type, headers=headers)


@router.delete("/submissions/{submission_id}", status_code=204, responses=refusals(NotOpen))
async def take_back_evidence(
    submission_id: str, principal: Submitter, evidence: Service, outbox: Annotated[Outbox, Provided(Outbox)]
) -> None:
    """Take back a piece of evidence that is not assessed yet, with its content."""
    await outbox.transaction(lambda tx: evidence.take_back(tx, principal, submission_id))
