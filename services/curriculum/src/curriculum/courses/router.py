"""The public pages of the catalogue: HTML for people, JSON-LD and JSON for machines, at one address by `Accept`."""

import json
import re
from datetime import datetime
from typing import Annotated, Any

from cme_kit.auth import Public
from cme_kit.clock import SystemClock
from cme_kit.http import Provided, content_etag, service_router
from cme_kit.openapi_answers import refusals, representations
from cme_kit.pages import Pages, choose_language, wants
from cme_kit.problems import NotFound
from cme_kit.schemas import LANGUAGES, Page
from fastapi import Query, Request, Response
from markupsafe import Markup

from curriculum.catalogue.domain import Addresses, Course
from curriculum.catalogue.router import REVALIDATE, Held, HeldByCaller, Slug, validated
from curriculum.catalogue.schemas import CourseSummary, CourseView, course_summary, course_view
from curriculum.catalogue.service import Catalogue, CourseWithdrawn
from curriculum.courses.domain import (
    PROGRAMME,
    UNIT,
    kind_of,
    modes_of,
    next_offering,
    select,
    standing,
)
from curriculum.linked_data.domain import course_document, list_document, script_text

HTML, JSON_LD, JSON = "text/html", "application/ld+json", "application/json"
#: What an option of a facet can look like; anything else in the address is ignored.
OPTIONS = {
    "start": re.compile(r"open|[12]\d{3}-(spring|autumn)"),
    "type": re.compile(f"{PROGRAMME}|{UNIT}"),
    "country": re.compile(r"[A-Z]{2}"),
    "teaching": re.compile("|".join(LANGUAGES)),
}
router = service_router("pages")
Service = Annotated[Catalogue, Provided(Catalogue)]
Places = Annotated[Addresses, Provided(Addresses)]
Rendering = Annotated[Pages, Provided(Pages)]


def _linked_data(request: Request, held: Held, document: dict[str, Any]) -> Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Cache-Control": REVALIDATE,
        "Content-Language": choose_language(request),
        "Vary": "Accept, Accept-Language, Cookie",
        "Content-Type": JSON_LD,
    }
    return _if_changed(held, Response(body, headers=headers))


def _if_changed(held: Held, response: Response) -> Response:
    """The response under its entity tag, or 304 when the caller has it."""
    etag = content_etag(bytes(response.body))
    response.headers["ETag"] = etag
    if not held.has(etag):
        return response
    kept = ("etag", "cache-control", "vary", "content-language", "content-security-policy")
    return Response(
        status_code=304, headers={name: response.headers[name] for name in kept if name in response.headers}
    )


@router.get("/courses", response_model=Page[CourseSummary], responses=representations(HTML, JSON_LD))
async def show_courses(
    request: Request,
    held: HeldByCaller,
    response: Response,
    catalogue: Service,
    addresses: Places,
    pages: Rendering,
    _: Annotated[None, Public()],
    q: Annotated[str, Query(max_length=200, description="Words that a course has to mention")] = "",
) -> Any:
    """The catalogue: a page with facets, schema.org JSON-LD, or the JSON of the catalogue, by `Accept`.

    The page's facets are `start`, `type`, `country` and `teaching`; each can be given several times.
    """
    courses = await catalogue.all()
    wanted = {
        name: [value for value in request.query_params.getlist(name) if form.fullmatch(value)]
        for name, form in OPTIONS.items()
    }
    now = SystemClock().now()
    selection = select(courses, q, wanted, now)
    kind = wants(request, HTML, JSON_LD, JSON)
    if kind == JSON:
        items = [course_summary(course, addresses) for course in selection.courses]
        return validated(held, response, Page(items=items, next=None), None)
    if kind == JSON_LD:
        return _linked_data(request, held, list_document(selection.courses, addresses, choose_language(request)))
    shown = [_shown(course, now) for course in selection.courses]
    page = pages.render(
        request, "catalogue.html", q=q, selection=selection, shown=shown, everything=len(courses), UNIT=UNIT
    )
    return _if_changed(held, page)


@router.get(
    "/courses/{slug}",
    response_model=CourseView,
    responses=representations(HTML, JSON_LD) | refusals(NotFound, CourseWithdrawn, as_page=True),
)
async def show_course(
    slug: Slug,
    request: Request,
    held: HeldByCaller,
    response: Response,
    catalogue: Service,
    addresses: Places,
    pages: Rendering,
    _: Annotated[None, Public()],
) -> Any:
    """A course: a page, schema.org JSON-LD (Course with its instances), or the record of the catalogue, by `Accept`."""
    kind = wants(request, HTML, JSON_LD, JSON)
    try:
        course = await catalogue.course(slug)
    except (NotFound, CourseWithdrawn) as error:
        if kind != HTML:
            raise
        return pages.render(request, "missing.html", status=error.status, gone=error.status == CourseWithdrawn.status)
    if kind == JSON:
        return validated(held, response, course_view(course, addresses), course.updated_at)
    document = course_document(course, addresses, choose_language(request))
    if kind == JSON_LD:
        return _linked_data(request, held, document)
    # Data, not script: the policy does not run it, and `script_text` lets nothing in it end the element.
    embedded = Markup(script_text(document))  # noqa: S704
    shown = _shown(course, SystemClock().now())
    return _if_changed(held, pages.render(request, "course.html", **shown, embedded=embedded, UNIT=UNIT))


def _shown(course: Course, now: datetime) -> dict[str, Any]:
    """What the templates show of a course."""
    offering = next_offering(course, now)
    return {
        "course": course,
        "kind": kind_of(course),
        "offering": offering,
        "others": [other for other in course.offerings if other is not offering],
        "standing": standing(offering, now).value if offering else None,
        "modes": sorted(mode.value for mode in modes_of(offering)) if offering else [],
    }
