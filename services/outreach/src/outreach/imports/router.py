"""Imports over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Provided, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import ServiceError
from cme_kit.schemas import Page
from cme_kit.strict_json import UnsupportedMediaType
from fastapi import Query, Request, Response

from outreach.csv_files.domain import MAX_BYTES
from outreach.imports.domain import Outcome
from outreach.imports.schemas import ImportRowView, ImportView
from outreach.imports.service import Imports, UnreadableCsv

router = service_router("imports", "/outreach/v1/imports")
Writer = Annotated[Principal, Requires("outreach.directory:write")]
#: How a CSV body appears in the OpenAPI document.
CSV_BODY = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}


class TooLarge(ServiceError):
    """The file is over the limit."""

    code, status = "content_too_large", 413


async def csv_body(request: Request) -> bytes:
    """The bytes of a CSV upload. Raises UnsupportedMediaType or TooLarge."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise UnsupportedMediaType("Send the file as text/csv.")
    raw = await request.body()
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"Send at most {MAX_BYTES} bytes; split the file.")
    return raw


@router.post(
    "", status_code=201, openapi_extra=CSV_BODY, responses=refusals(UnsupportedMediaType, TooLarge, UnreadableCsv)
)
async def import_clusters(
    request: Request,
    once: Once,
    imports: Annotated[Imports, Provided(Imports)],
    principal: Writer,
    dry_run: Annotated[bool, Query(description="Only say what importing would do")] = True,
    source: Annotated[str, Query(min_length=1, max_length=200, description="Name of the list")] = "upload",
    obtained_from: Annotated[str | None, Query(max_length=200, description="Whom the addresses come from")] = None,
) -> ImportView:
    """Import a cluster list, or see what importing it would do (the default).

    Any usual encoding and delimiter is read. Two agreeing keys merge a row into an entry, one makes it a question
    for a person, and a problem of one cell costs that cell only. Importing gives nobody's consent.
    """
    raw = await csv_body(request)
    return await once(
        ImportView,
        lambda tx: imports.take_in(
            tx, raw, source=source, obtained_from=obtained_from, dry_run=dry_run, by=principal.subject
        ),
    )


@router.get("/{import_id}")
async def read_import(import_id: str, imports: Annotated[Imports, Provided(Imports)], _: Writer) -> ImportView:
    """What an import did, in figures."""
    return await imports.read(import_id)


@router.get("/{import_id}/rows")
async def read_import_rows(
    import_id: str,
    request: Request,
    response: Response,
    imports: Annotated[Imports, Provided(Imports)],
    _: Writer,
    outcome: Annotated[list[Outcome] | None, Query(description="Only rows with one of these outcomes")] = None,
    after: Annotated[int, Query(ge=0, description="The `next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=5000, description="Most rows to answer")] = 1000,
) -> Page[ImportRowView]:
    """What happened to each row, in the order of the file."""
    rows = await imports.rows(import_id, [one.value for one in outcome or []], after, limit)
    shown, following = rows[:limit], None
    if len(rows) > limit:
        following = str(shown[-1].row)
        url = request.url.include_query_params(after=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Page(items=shown, next=following)
