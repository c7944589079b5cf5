"""HTTP of the public catalogue: what partner platforms pull, with validators so that pulling again is cheap."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, TypeVar

from cme_kit.auth import Public
from cme_kit.clock import SystemClock
from cme_kit.http import Conditional, ConditionalRequest, Paged, Provided, content_etag, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import LanguageCode, Page
from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel

from curriculum.catalogue.domain import Addresses
from curriculum.catalogue.schemas import (
    Changes,
    CourseSummary,
    CourseView,
    change_view,
    course_summary,
    course_view,
)
from curriculum.catalogue.service import Catalogue, CourseWithdrawn, UnknownSequence
from curriculum.programmes.schemas import VersionView, version_view
from curriculum.programmes.service import Programmes

router = service_router("catalogue", "/curriculum/v1/catalogue")
Service = Annotated[Catalogue, Provided(Catalogue)]
Places = Annotated[Addresses, Provided(Addresses)]
Slug = Annotated[str, Path(description="Name of the course in addresses")]
#: Kept by whoever likes, and asked again each time: a 304 costs little, a stale catalogue costs trust.
REVALIDATE = "public, no-cache"
FOR_EVER = "public, max-age=31536000, immutable"
View = TypeVar("View", bound=BaseModel)


def last_modified(changed_at: datetime, now: datetime) -> datetime:
    """What to say in Last-Modified.

    It counts whole seconds. While its second is not over, a record can change in it again, so the second before is
    said: no later change hides behind it (RFC 9110 section 8.8.2.1).
    """
    second = changed_at.astimezone(UTC).replace(microsecond=0)
    return second - timedelta(seconds=1) if second == now.replace(microsecond=0) else second


class Held:
    """What the caller has of a record; `If-None-Match` goes before `If-Modified-Since` (RFC 9110 section 13.2.2)."""

    def __init__(self, tags: Conditional, since: str | None) -> None:
        self._tags = tags
        self._since = since

    def has(self, etag: str, changed_at: datetime | None = None) -> bool:
        """Whether the caller has what is there now."""
        if self._tags.is_given or changed_at is None or self._since is None:
            return self._tags.has(etag)
        try:
            return changed_at.replace(microsecond=0) <= parsedate_to_datetime(self._since)
        except (TypeError, ValueError):  # not a date: as if it were absent (section 13.1.3)
            return False


async def held(
    tags: ConditionalRequest,
    if_modified_since: Annotated[
        str | None, Header(alias="If-Modified-Since", description="Your `Last-Modified`: 304 when it still holds")
    ] = None,
) -> Held:
    """What `HeldByCaller` stands for."""
    return Held(tags, if_modified_since)


HeldByCaller = Annotated[Held, Depends(held)]


def validated(
    held: Held, response: Response, view: View, changed_at: datetime | None, cache: str = REVALIDATE
) -> View | Response:
    """The view with its validators, or 304 when the caller has it already."""
    etag = content_etag(view.model_dump_json().encode())
    headers = {"ETag": etag, "Cache-Control": cache, "Vary": "Accept"}
    if changed_at is not None:
        modified = last_modified(changed_at, SystemClock().now())
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    if held.has(etag, changed_at):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return view


@router.get("/courses", response_model=Page[CourseSummary])
async def list_courses(
    request: Request,
    held: HeldByCaller,
    response: Response,
    paging: Paged,
    catalogue: Service,
    addresses: Places,
    _: Annotated[None, Public()],
    language: Annotated[LanguageCode | None, Query(description="Only courses taught in this language")] = None,
) -> Page[CourseSummary] | Response:
    """Every course with its dated offerings, in the order of their names in addresses.

    Send `If-None-Match` with the ETag you have: 304 means that nothing changed.
    """
    head = await catalogue.head()
    found = await catalogue.page(paging.after, paging.limit + 1, language)
    items = [course_summary(course, addresses) for course in found]
    page = page_of(request, response, items, paging, lambda course: course.slug)
    return validated(held, response, page, head.changed_at)


@router.get("/courses/{slug}", response_model=CourseView, responses=refusals(CourseWithdrawn))
async def get_course(
    slug: Slug,
    held: HeldByCaller,
    response: Response,
    catalogue: Service,
    addresses: Places,
    _: Annotated[None, Public()],
) -> CourseView | Response:
    """One course: units, learning outcomes, skills, offerings, who validated it. A withdrawn one answers 410."""
    course = await catalogue.course(slug)
    return validated(held, response, course_view(course, addresses), course.updated_at)


@router.get("/courses/{slug}/versions/{version}", response_model=VersionView)
async def get_published_version(
    slug: Slug,
    version: Annotated[int, Path(description="Number of the version, from 1")],
    held: HeldByCaller,
    response: Response,
    programmes: Annotated[Programmes, Provided(Programmes)],
    _: Annotated[None, Public()],
) -> VersionView | Response:
    """A published version as it was and will stay, also after newer ones and after the course was withdrawn."""
    found = await programmes.published_version(slug, version)
    return validated(held, response, version_view(found), found.published_at, FOR_EVER)


@router.get("/changes", response_model=Changes, responses=refusals(UnknownSequence))
async def list_changes(
    held: HeldByCaller,
    response: Response,
    catalogue: Service,
    addresses: Places,
    _: Annotated[None, Public()],
    after: Annotated[int, Query(ge=0, le=2**53, description="The `last_sequence` you have; 0 for everything")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most changes to answer")] = 100,
) -> Changes | Response:
    """What changed since you last asked, numbered without gaps.

    A deletion is a tombstone and stays for ever. A number that the feed never had answers 422: read again from 0.
    """
    found = await catalogue.changes(after, limit + 1)
    shown = found[:limit]
    changes = Changes(
        changes=[change_view(change, addresses) for change in shown],
        last_sequence=shown[-1].sequence if shown else after,
        more=len(found) > limit,
    )
    return validated(held, response, changes, shown[-1].changed_at if shown else None)
