"""HTTP of offers."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.offers.schemas import OfferView, Refusal
from enrolment.offers.service import OfferAccepted, OfferDeclined, OfferExpired, Offers, SeatsTaken

router = service_router("offers", "/enrolment/v1/offers")
Service = Annotated[Offers, Provided(Offers)]
Applicant = Annotated[Principal, Requires("enrolment.offers:answer")]


@router.get("/mine")
async def list_own_offers(
    request: Request, response: Response, service: Service, paging: Paged, principal: Applicant
) -> Page[OfferView]:
    """The seats you were offered, oldest first."""
    found = await service.page_of_person(principal, paging)
    return page_of(request, response, found, paging, lambda offer: offer.offer_id)


@router.get("/{offer_id}")
async def read_offer(
    offer_id: str,
    service: Service,
    principal: Annotated[Principal, Requires("enrolment.offers:answer", "enrolment.applications:read")],
) -> OfferView:
    """Your offer, or any when you read applications."""
    return await service.get(offer_id, principal)


@router.post("/{offer_id}/acceptance", responses=refusals(OfferDeclined, OfferExpired, SeatsTaken))
async def accept_offer(offer_id: str, service: Service, once: Once, principal: Applicant) -> OfferView:
    """Take the seat and become a learner of the cohort.

    When all seats are taken the answer is 409 `seats_taken` and the offer stays open: seats may be added.
    """
    async with service.in_turn(offer_id):
        return await once(OfferView, lambda tx: service.accept(tx, offer_id, principal))


@router.post("/{offer_id}/refusal", responses=refusals(OfferAccepted, OfferDeclined, OfferExpired))
async def decline_offer(
    offer_id: str, refusal: Refusal, service: Service, once: Once, principal: Applicant
) -> OfferView:
    """Decline the seat; the best of the waiting list whom the quotas allow gets it."""
    async with service.in_turn(offer_id):
        return await once(OfferView, lambda tx: service.refuse(tx, offer_id, refusal.reason, principal))
