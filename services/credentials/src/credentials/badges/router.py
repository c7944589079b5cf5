"""The public address of a badge."""

from __future__ import annotations

import json
from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import refusals, representations
from cme_kit.pages import Pages, wants
from cme_kit.problems import NotFound
from fastapi import Request, Response

from credentials.badges.service import Badges
from credentials.verification.service import Verification

router = service_router("badges")
Service = Annotated[Badges, Provided(Badges)]
Everybody = Annotated[None, Public()]
SIGNED = ("application/vc+ld+json", "application/ld+json", "application/json", "application/vc")


@router.get(
    "/badges/{credential_id}",
    summary="A badge",
    response_class=Response,
    responses=representations(*SIGNED, "text/html") | refusals(NotFound, as_page=True),
)
async def badge(
    request: Request,
    credential_id: str,
    service: Service,
    verification: Annotated[Verification, Provided(Verification)],
    pages: Annotated[Pages, Provided(Pages)],
    _: Everybody,
) -> Response:
    """The signed credential for software; for a browser a page that verifies it while it loads."""
    media_type = wants(request, *SIGNED, "text/html")
    if media_type != "text/html":
        # Not to be cached without asking: after a revocation the same address leads to the same document, whose
        # status list says revoked.
        headers = {"Vary": "Accept", "Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
        return Response(json.dumps(await service.signed(credential_id)), headers=headers, media_type=media_type)
    try:
        found = await service.find(credential_id)
    except NotFound:
        return pages.render(request, "badge_missing.html", status=404)
    verdict = await verification.verify(found.signed)
    headers = {"X-Robots-Tag": "noindex"}
    return pages.render(request, "badge.html", headers=headers, badge=found, verdict=verdict)


@router.get(
    "/badges/{credential_id}/image.svg",
    summary="A badge as a baked image",
    response_class=Response,
    responses=representations("image/svg+xml"),
)
async def badge_image(credential_id: str, service: Service, _: Everybody) -> Response:
    """The drawn badge with the signed credential inside (Open Badges 3.0, baked SVG)."""
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300", "X-Robots-Tag": "noindex"}
    return Response(await service.image(credential_id), headers=headers, media_type="image/svg+xml")
