"""HTTP of programmes and their versions."""

from collections.abc import Awaitable
from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, PreconditionFailed, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import NotFound
from cme_kit.schemas import Page
from fastapi import Path, Request, Response

from curriculum.catalogue.service import NotListed
from curriculum.programmes.domain import Programme, Version, VersionState
from curriculum.programmes.schemas import (
    NoFields,
    ProgrammeDraft,
    ProgrammeView,
    VersionView,
    Withdrawal,
    version_view,
)
from curriculum.programmes.service import (
    AlreadyPublished,
    DraftExists,
    NotEditable,
    NotInCatalogue,
    NotValidated,
    Programmes,
    SlugFixed,
    SlugTaken,
    UnfitProgramme,
)
from curriculum.reviews.service import Reviews

router = service_router("programmes", "/curriculum/v1")
Service = Annotated[Programmes, Provided(Programmes)]
Author = Annotated[Principal, Requires("curriculum.programmes:write")]
VersionNumber = Annotated[int, Path(description="Number of the version, from 1")]


@router.post("/programmes", status_code=201, responses=refusals(SlugTaken, UnfitProgramme))
async def create_programme(
    body: ProgrammeDraft, once: Once, etag: Tagged, service: Service, principal: Author
) -> VersionView:
    """Draft a new programme: its version 1, with units and learning outcomes.

    The units' points add up to the programme's; each unit requires at least one outcome; areas are those of the
    profile; skills are those of ESCO. Whatever does not fit is listed in the problem's `errors`.
    """
    view = await once(VersionView, lambda tx: _viewed(service.create(tx, body, principal)))
    etag.set(view.revision)
    return view


@router.get("/programmes")
async def list_programmes(
    request: Request,
    response: Response,
    paging: Paged,
    service: Service,
    _: Annotated[Principal, Requires("curriculum.programmes:write", "curriculum.reviews:write")],
) -> Page[Programme]:
    """Every programme, published or not, oldest first."""
    found = await service.page(paging.after, paging.limit + 1)
    return page_of(request, response, found, paging, lambda programme: programme.programme_id)


@router.get("/programmes/{programme_id}")
async def get_programme(
    programme_id: str,
    service: Service,
    _: Annotated[Principal, Requires("curriculum.programmes:write", "curriculum.reviews:write")],
) -> ProgrammeView:
    """A programme with all its versions."""
    return await service.programme(programme_id)


@router.get("/programmes/{programme_id}/versions/{version}")
async def get_version(
    programme_id: str,
    version: VersionNumber,
    etag: Tagged,
    service: Service,
    reviews: Annotated[Reviews, Provided(Reviews)],
    principal: Annotated[
        Principal,
        Requires(
            "curriculum.programmes:write",
            "curriculum.reviews:write",
            "curriculum.reviews:comment",
            "curriculum.catalogue:read",
        ),
    ],
) -> VersionView:
    """One version. Before its publication only authors, those who run reviews, and those invited to one see it."""
    found = await service.version(programme_id, version)
    inside = principal.may("curriculum.programmes:write") or principal.may("curriculum.reviews:write")
    if not (inside or found.state is VersionState.PUBLISHED or await reviews.may_read(principal, found)):
        raise NotFound("version of a programme")
    etag.set(found.revision)
    return version_view(found)


@router.put("/programmes/{programme_id}/versions/{version}", responses=refusals(NotEditable, SlugFixed, UnfitProgramme))
async def edit_version(
    programme_id: str,
    version: VersionNumber,
    body: ProgrammeDraft,
    _: Author,
    revision: ExpectedRevision,
    once: Once,
    etag: Tagged,
    service: Service,
) -> VersionView:
    """Replace the content of a draft. Units and outcomes keep their ids as long as they keep their codes."""
    view = await once(VersionView, lambda tx: _viewed(service.edit(tx, programme_id, version, body, revision)))
    etag.set(view.revision)
    return view


@router.post("/programmes/{programme_id}/versions", status_code=201, responses=refusals(DraftExists))
async def draft_next_version(
    programme_id: str, once: Once, etag: Tagged, service: Service, principal: Author, _: NoFields | None = None
) -> VersionView:
    """Draft the next version, a copy of the latest published one. Its units and outcomes get ids of their own."""
    view = await once(VersionView, lambda tx: _viewed(service.draft_next(tx, programme_id, principal)))
    etag.set(view.revision)
    return view


@router.post(
    "/programmes/{programme_id}/versions/{version}/publication",
    responses=refusals(PreconditionFailed, AlreadyPublished, NotValidated, UnfitProgramme),
)
async def publish_version(
    programme_id: str,
    version: VersionNumber,
    once: Once,
    etag: Tagged,
    service: Service,
    _principal: Author,
    _: NoFields | None = None,
) -> VersionView:
    """Publish a version that a review approved with exactly this content. It never changes again.

    The catalogue shows it from now on; learners of earlier versions keep theirs.
    """
    view = await once(VersionView, lambda tx: _viewed(service.publish(tx, programme_id, version)))
    etag.set(view.revision)
    return view


@router.post("/programmes/{programme_id}/withdrawal", responses=refusals(NotListed, NotInCatalogue))
async def withdraw_programme(programme_id: str, body: Withdrawal, once: Once, service: Service, _: Author) -> Programme:
    """Take the course and its offerings out of the catalogue; publishing a next version shows it again.

    Harvesters find tombstones in the change feed. Published versions stay, for the learners who follow them.
    """
    return await once(Programme, lambda tx: service.withdraw(tx, programme_id, body.reason))


async def _viewed(version: Awaitable[Version]) -> VersionView:
    return version_view(await version)
