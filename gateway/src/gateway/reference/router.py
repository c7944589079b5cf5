"""`/openapi.json`, `/docs`, `/docs/events` and the way from `/` to the courses."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import ConditionalRequest, Provided
from cme_kit.pages import Pages
from cme_kit.problems import NotFound
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.oauth.scopes import SCOPES
from gateway.reference.document import ApiDocument
from gateway.reference.events import entries

router = APIRouter(include_in_schema=False)
Everybody = Annotated[None, Public()]
DocumentHere = Annotated[ApiDocument, Provided(ApiDocument)]


@router.get("/")
async def home(_: Everybody) -> RedirectResponse:
    """People begin at the courses."""
    return RedirectResponse("/courses", 303)


@router.get("/openapi.json")
async def openapi(held: ConditionalRequest, _: Everybody, document: DocumentHere) -> Response:
    """The whole API as OpenAPI 3.1."""
    headers = {"ETag": document.etag, "Cache-Control": "public, max-age=300"}
    if held.has(document.etag):
        return Response(status_code=304, headers=headers)
    return Response(document.json, 200, headers, "application/json")


@router.get("/docs")
async def overview(
    request: Request, _: Everybody, document: DocumentHere, pages: Annotated[Pages, Provided(Pages)]
) -> Response:
    """The reference's first page: how to begin, and the services."""
    return pages.render(
        request,
        "reference.html",
        services=document.listing.services,
        scopes=SCOPES,
        base=document.document["servers"][0]["url"],
    )


@router.get("/docs/events")
async def events_reference(request: Request, _: Everybody, pages: Annotated[Pages, Provided(Pages)]) -> Response:
    """Every event that webhooks tell of."""
    return pages.render(request, "reference_events.html", events=entries())


@router.get("/docs/{service}")
async def service_reference(
    service: str, request: Request, _: Everybody, document: DocumentHere, pages: Annotated[Pages, Provided(Pages)]
) -> Response:
    """Every operation of a service."""
    if service not in document.listing.services:
        raise NotFound("page")
    return pages.render(
        request,
        "reference_service.html",
        service=service,
        title=document.listing.services[service],
        services=document.listing.services,
        operations=document.listing.operations(service),
    )
