"""Achievements in public."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import representations
from cme_kit.pages import Pages, wants
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from credentials.achievements.domain import achievement_document
from credentials.achievements.service import Achievements
from credentials.badges.domain import draw
from credentials.badges.service import badge_of
from credentials.keys.service import Issuer

router = service_router("badges", "/credentials/v1")
Service = Annotated[Achievements, Provided(Achievements)]
Everybody = Annotated[None, Public()]
SHARED = {"Vary": "Accept", "Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}


@router.get(
    "/achievements/{achievement_id}",
    summary="What a badge stands for",
    response_class=Response,
    responses=representations("application/json", "application/ld+json", "text/html"),
)
async def achievement(
    request: Request,
    achievement_id: str,
    service: Service,
    issuer: Annotated[Issuer, Provided(Issuer)],
    pages: Annotated[Pages, Provided(Pages)],
    _: Everybody,
) -> Response:
    """The Open Badges achievement as JSON, or its page: criteria, learning outcomes, points, level."""
    found = await service.find(achievement_id)
    media_type = wants(request, "application/json", "application/ld+json", "text/html")
    if media_type == "text/html":
        return pages.render(request, "achievement.html", achievement=found)
    document = achievement_document(issuer.public_url, found)
    return JSONResponse(document, headers=SHARED, media_type=media_type)


@router.get(
    "/achievements/{achievement_id}/image.svg",
    summary="The drawing of an achievement",
    response_class=Response,
    responses=representations("image/svg+xml"),
)
async def achievement_image(achievement_id: str, service: Service, _: Everybody) -> Response:
    """The badge without a holder or a year."""
    found = await service.find(achievement_id)
    drawing = draw(badge_of(found, f"{found.points} ECVET"))
    return Response(drawing, headers=SHARED, media_type="image/svg+xml")
