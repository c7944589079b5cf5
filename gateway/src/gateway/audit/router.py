"""`/gateway/v1/audit`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import Unprocessable
from cme_kit.schemas import Page
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from gateway.audit.domain import Act
from gateway.audit.service import Audit

router = service_router("audit", "/gateway/v1/audit")
NUMBER = re.compile(r"[0-9]{1,15}")
Auditor = Annotated[Principal, Requires("gateway.audit:read")]


class BadCursor(Unprocessable):
    """`after` is no cursor of this list."""

    code = "bad_cursor"


class EntryView(BaseModel):
    """One security-relevant act."""

    number: int
    at: datetime
    act: str
    actor: str = Field(description="Who acted: a person's or client's id, or `system`")
    subject: str = Field(description="The person, client, grant or key that it was done to")
    details: dict[str, str]
    previous: str = Field(description="The hash of the entry before, hexadecimal")
    hash: str = Field(description="SHA-256 over this entry and `previous`, hexadecimal")


@router.get("", summary="List security-relevant acts", responses=refusals(BadCursor))
async def list_entries(
    request: Request,
    response: Response,
    _: Auditor,
    audit: Annotated[Audit, Provided(Audit)],
    paging: Paged,
    act: Annotated[Act | None, Query(description="Only this kind")] = None,
    actor: Annotated[str | None, Query(max_length=100, description="Only what somebody did")] = None,
    subject: Annotated[str | None, Query(max_length=100, description="Only what was done to something")] = None,
) -> Page[EntryView]:
    """The audit trail, newest first."""
    given = {"act": act.value if act else None, "actor": actor, "subject": subject}
    filters = {name: value for name, value in given.items() if value is not None}
    if paging.after is not None and not NUMBER.fullmatch(paging.after):
        raise BadCursor("Send `next` of the page before as `after`.")
    before = int(paging.after) if paging.after is not None else None
    found = [EntryView(**vars(entry)) for entry in await audit.page(filters, before, paging.limit)]
    return page_of(request, response, found, paging, lambda entry: str(entry.number))
