"""HTTP of applications."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.applications.schemas import (
    ApplicationView,
    NewApplication,
    NewScore,
    NewWaiver,
    ScoreView,
)
from enrolment.applications.service import (
    AlreadyApplied,
    AlreadyDecided,
    AlreadyEligible,
    AlreadyScored,
    Applications,
    CallClosed,
    ConflictOfInterest,
    FullyScored,
    NotEligible,
)
from enrolment.calls.service import Calls
from enrolment.organisations.service import UnknownOrganisation
from enrolment.people.service import PersonRequired, ProfileMissing

router = service_router("applications", "/enrolment/v1")
Service = Annotated[Applications, Provided(Applications)]
Applicant = Annotated[Principal, Requires("enrolment.applications:submit")]


@router.post(
    "/calls/{call_id}/applications",
    status_code=201,
    responses=refusals(AlreadyApplied, CallClosed, UnknownOrganisation, PersonRequired, ProfileMissing),
)
async def apply(
    call_id: str,
    new: NewApplication,
    service: Service,
    calls: Annotated[Calls, Provided(Calls)],
    once: Once,
    principal: Applicant,
) -> ApplicationView:
    """Apply to an open call. The answer says at once whether your cluster organisation is eligible."""
    async with calls.in_turn(call_id):
        return await once(ApplicationView, lambda tx: service.submit(tx, call_id, new, principal))


@router.get("/calls/{call_id}/applications")
async def list_applications(
    call_id: str,
    request: Request,
    response: Response,
    service: Service,
    paging: Paged,
    principal: Annotated[Principal, Requires("enrolment.applications:read")],
) -> Page[ApplicationView]:
    """The applications to a call, oldest first."""
    found = await service.page_of_call(call_id, principal, paging)
    return page_of(request, response, found, paging, lambda application: application.application_id)


@router.get("/applications/mine")
async def list_own_applications(
    request: Request, response: Response, service: Service, paging: Paged, principal: Applicant
) -> Page[ApplicationView]:
    """Your applications, oldest first."""
    found = await service.page_of_person(principal, paging)
    return page_of(request, response, found, paging, lambda application: application.application_id)


@router.get("/applications/{application_id}")
async def read_application(
    application_id: str,
    service: Service,
    principal: Annotated[Principal, Requires("enrolment.applications:read", "enrolment.applications:submit")],
) -> ApplicationView:
    """Your application, or any when you read applications."""
    return await service.get(application_id, principal)


@router.post("/applications/{application_id}/waiver", responses=refusals(AlreadyDecided, AlreadyEligible))
async def waive_eligibility(
    application_id: str,
    waiver: NewWaiver,
    service: Service,
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.selection:write")],
) -> ApplicationView:
    """Treat an application as eligible although it misses a rule, for example inside a national cluster programme."""
    return await once(ApplicationView, lambda tx: service.waive(tx, application_id, waiver.reason, principal))


@router.post(
    "/applications/{application_id}/scores",
    status_code=201,
    responses=refusals(AlreadyDecided, AlreadyScored, ConflictOfInterest, FullyScored, NotEligible, PersonRequired),
)
async def score_application(
    application_id: str,
    new: NewScore,
    service: Service,
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.applications:score")],
) -> ScoreView:
    """Score an eligible application as one of its two readers."""
    return await once(ScoreView, lambda tx: service.score(tx, application_id, new, principal))


@router.post("/applications/{application_id}/withdrawal", responses=refusals(AlreadyDecided))
async def withdraw_application(
    application_id: str, service: Service, once: Once, principal: Applicant
) -> ApplicationView:
    """Take your application back while it waits for a decision or is on the waiting list."""
    return await once(ApplicationView, lambda tx: service.withdraw(tx, application_id, principal))
