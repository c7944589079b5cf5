"""The published status lists."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import ConditionalRequest, Provided, content_etag, service_router
from cme_kit.openapi_answers import representations
from fastapi import Path, Response

from credentials.status.service import StatusLists

MEDIA_TYPE = "application/vc+ld+json"
#: Lists that were begun after a restore are numbered by its moment in milliseconds; readers of JSON hold it exactly.
HIGHEST_NUMBER = 10**15 - 1
router = service_router("verification", "/credentials/v1")


@router.get(
    "/status/{number}",
    summary="A signed status list",
    response_class=Response,
    responses=representations(MEDIA_TYPE),
)
async def status_list(
    held: ConditionalRequest,
    number: Annotated[int, Path(ge=1, le=HIGHEST_NUMBER, description="Number of the list, as badges name it")],
    lists: Annotated[StatusLists, Provided(StatusLists)],
    _: Annotated[None, Public()],
) -> Response:
    """A BitstringStatusListCredential, signed like the badges. Ask again with If-None-Match: it changes on revocation."""
    body = (await lists.find(number)).signed.encode()
    etag = content_etag(body)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if held.has(etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=MEDIA_TYPE)
