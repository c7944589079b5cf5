"""HTTP of the occupational profile."""

from typing import Annotated

from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from curriculum.profiles.domain import Profile
from curriculum.profiles.schemas import NewProfile, Skill
from curriculum.profiles.service import Profiles, UnfitProfile

router = service_router("profiles", "/curriculum/v1")


@router.post("/profiles", status_code=201, responses=refusals(UnfitProfile))
async def create_profile(
    body: NewProfile,
    once: Once,
    service: Annotated[Profiles, Provided(Profiles)],
    _: Annotated[Principal, Requires("curriculum.profiles:write")],
) -> Profile:
    """Describe an occupation: its areas of competence and the ESCO skills that belong to them.

    A profile never changes; describe a new one instead. A skill that ESCO does not have answers 422.
    """
    return await once(Profile, lambda tx: service.create(tx, body))


@router.get("/profiles")
async def list_profiles(
    request: Request,
    response: Response,
    paging: Paged,
    service: Annotated[Profiles, Provided(Profiles)],
    _: Annotated[None, Public()],
) -> Page[Profile]:
    """Every profile, oldest first."""
    found = await service.page(paging.after, paging.limit + 1)
    return page_of(request, response, found, paging, lambda profile: profile.profile_id)


@router.get("/profiles/{profile_id}")
async def get_profile(
    profile_id: str, service: Annotated[Profiles, Provided(Profiles)], _: Annotated[None, Public()]
) -> Profile:
    """One occupational profile."""
    return await service.get(profile_id)


@router.get("/skills")
async def list_skills(service: Annotated[Profiles, Provided(Profiles)], _: Annotated[None, Public()]) -> list[Skill]:
    """The ESCO skills that profiles and learning outcomes may refer to."""
    return service.skills()
