"""HTTP of people."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Provided, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import NotFound

from enrolment.people.schemas import Erasure, ErasureView, PersonView, Profile
from enrolment.people.service import People, PersonRequired, PersonWasErased

router = service_router("people", "/enrolment/v1/people")
Service = Annotated[People, Provided(People)]


@router.put("/me", responses=refusals(PersonRequired, PersonWasErased))
async def introduce_yourself(
    profile: Profile, service: Service, principal: Annotated[Principal, Requires("enrolment.people:write")]
) -> PersonView:
    """Say who you are, or correct it. Every service that writes to you follows."""
    return await service.introduce(principal, profile)


@router.get("/me", responses=refusals(NotFound, PersonRequired))
async def read_yourself(
    service: Service, principal: Annotated[Principal, Requires("enrolment.people:write")]
) -> PersonView:
    """What is registered of you."""
    return await service.get(principal)


@router.post("/{person_id}/erasure", status_code=202)
async def erase_person(
    person_id: str,
    erasure: Erasure,
    service: Service,
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.people:erase")],
) -> ErasureView:
    """Erase a person here at once and in the other services by event (GDPR article 17). Figures stay."""
    return await once(ErasureView, lambda tx: service.erase(tx, person_id, erasure.reason, principal))
