"""HTTP of learning agreements."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, PreconditionFailed, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.agreements.schemas import AgreementView, NewApproval, NewTerms
from enrolment.agreements.service import Agreements, ApprovedAsOtherParty, NotEnrolled, StaleApproval, UnknownUnit
from enrolment.organisations.service import UnknownOrganisation
from enrolment.people.service import PersonRequired

router = service_router("agreements", "/enrolment/v1")
Service = Annotated[Agreements, Provided(Agreements)]
Coordinator = Annotated[Principal, Requires("enrolment.agreements:write")]
Party = Annotated[Principal, Requires("enrolment.agreements:approve")]
Reader = Annotated[Principal, Requires("enrolment.agreements:approve", "enrolment.agreements:write")]


@router.post(
    "/learners/{enrolment_id}/agreements",
    status_code=201,
    responses=refusals(NotEnrolled, UnknownUnit, UnknownOrganisation),
)
async def propose_agreement(
    enrolment_id: str, new: NewTerms, etag: Tagged, service: Service, once: Once, _: Coordinator
) -> AgreementView:
    """Propose a learning agreement between the learner, a home and a host organisation."""
    agreement = await once(AgreementView, lambda tx: service.propose(tx, enrolment_id, new))
    etag.set(agreement.revision)
    return agreement


@router.get("/learners/{enrolment_id}/agreements")
async def list_agreements_of_learner(
    enrolment_id: str, request: Request, response: Response, service: Service, paging: Paged, principal: Reader
) -> Page[AgreementView]:
    """The agreements of a learner that you are a party of, or all when you propose agreements."""
    found = await service.page_of_learner(enrolment_id, principal, paging)
    return page_of(request, response, found, paging, lambda agreement: agreement.agreement_id)


@router.get("/agreements/mine")
async def list_own_agreements(
    request: Request, response: Response, service: Service, paging: Paged, principal: Party
) -> Page[AgreementView]:
    """The agreements that you, or the organisation you act for, are a party of; `awaited` says who has to approve."""
    found = await service.page_of_party(principal, paging)
    return page_of(request, response, found, paging, lambda agreement: agreement.agreement_id)


@router.get("/agreements/{agreement_id}")
async def read_agreement(agreement_id: str, etag: Tagged, service: Service, principal: Reader) -> AgreementView:
    """An agreement in its current version, with the replaced ones."""
    agreement = await service.get(agreement_id, principal)
    etag.set(agreement.revision)
    return agreement


@router.put("/agreements/{agreement_id}", responses=refusals(NotEnrolled, UnknownUnit, UnknownOrganisation))
async def amend_agreement(
    agreement_id: str,
    new: NewTerms,
    etag: Tagged,
    service: Service,
    once: Once,
    _: Coordinator,
    revision: ExpectedRevision,
) -> AgreementView:
    """Replace the content by a new version. Approvals of the earlier one do not count for it."""
    agreement = await once(AgreementView, lambda tx: service.amend(tx, agreement_id, revision, new))
    etag.set(agreement.revision)
    return agreement


@router.post(
    "/agreements/{agreement_id}/approvals",
    responses=refusals(PreconditionFailed, ApprovedAsOtherParty, NotEnrolled, StaleApproval, PersonRequired),
)
async def approve_agreement(
    agreement_id: str, new: NewApproval, etag: Tagged, service: Service, once: Once, principal: Party
) -> AgreementView:
    """Approve what you read, named by its hash, as the learner, for the home or for the host organisation.

    When it changed meanwhile the answer is 409 `stale_approval` and nothing is approved.
    """
    agreement = await once(AgreementView, lambda tx: service.approve(tx, agreement_id, new.content_hash, principal))
    etag.set(agreement.revision)
    return agreement
