"""Verification over HTTP: for software, and as a page."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.pages import Pages
from cme_kit.problems import NotFound, ServiceError, Unprocessable
from cme_kit.strict_json import MalformedJson, parse
from fastapi import Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse

from credentials.badges.service import Badges
from credentials.jsonld.domain import MAX_BYTES, Json
from credentials.verification.domain import Verdict, baked_document
from credentials.verification.schemas import VerificationRequest, VerificationView, verification_view
from credentials.verification.service import Verification

router = service_router("verification")
Service = Annotated[Verification, Provided(Verification)]
Public_ = Annotated[Badges, Provided(Badges)]
ThePages = Annotated[Pages, Provided(Pages)]
Everybody = Annotated[None, Public()]
#: The request around a document: one member and its braces.
ENVELOPE_BYTES = 1_024


class DocumentTooLarge(ServiceError):
    """A document over the limit."""

    code, status = "document_too_large", 413

    def __init__(self) -> None:
        super().__init__(f"A credential of at most {MAX_BYTES // 1024} KiB is verified.")


class ForeignAddress(Unprocessable):
    """An address that this service does not fetch."""

    code = "foreign_address"

    def __init__(self) -> None:
        super().__init__("Only badges of this issuer are verified by their address. Send the document itself instead.")


class Unreadable(Unprocessable):
    """What was pasted is neither an address nor a credential."""

    code = "unreadable_document"

    def __init__(self) -> None:
        super().__init__("Send the address of a badge, a signed JSON document, or a badge image with one inside.")


@router.post(
    "/credentials/v1/verification",
    summary="Verify a credential",
    responses=refusals(NotFound, DocumentTooLarge, ForeignAddress),
)
async def verify(
    request: Request, body: VerificationRequest, service: Service, badges: Public_, _: Everybody
) -> VerificationView:
    """Name each check and its result.

    Contexts are bundled and nothing is fetched: a status list or key of another issuer is `unknown`, never assumed to
    be fine.
    """
    if len(await request.body()) > MAX_BYTES + ENVELOPE_BYTES:
        raise DocumentTooLarge
    document = body.credential if body.credential is not None else await _by_address(body.url or "", badges)
    return verification_view(await service.verify(document))


async def _by_address(url: str, badges: Badges) -> Json:
    if (credential_id := badges.id_of(url)) is None:
        raise ForeignAddress
    return await badges.signed(credential_id)


@router.get("/verify", summary="The page that verifies a badge", response_class=HTMLResponse)
async def verify_page(request: Request, pages: ThePages, _: Everybody) -> Response:
    """A form for an address, a text or a file."""
    return pages.render(request, "verify.html", verdict=None, error=None, text="")


@router.post(
    "/verify",
    summary="Verify a pasted or chosen badge",
    response_class=HTMLResponse,
    responses=refusals(NotFound, DocumentTooLarge, ForeignAddress, Unreadable, as_page=True),
)
async def verify_form(
    request: Request,
    service: Service,
    badges: Public_,
    pages: ThePages,
    _: Everybody,
    text: Annotated[str, Form()] = "",
    file: UploadFile | None = None,
) -> Response:
    """The same page with every check. What was sent is checked and not kept."""
    verdict: Verdict | None = None
    error: ServiceError | None = None
    try:
        verdict = await service.verify(await _sent(text, file, badges))
    except (DocumentTooLarge, ForeignAddress, Unreadable, NotFound) as refused:
        error = refused
    status = error.status if error else 200
    code = error.code if error else None
    return pages.render(request, "verify.html", status=status, verdict=verdict, error=code, text=text[:2_000])


async def _sent(text: str, file: UploadFile | None, badges: Badges) -> Json:
    """The document in a file, else in the text, else at the address in the text."""
    content = await file.read(MAX_BYTES + ENVELOPE_BYTES) if file is not None and file.filename else b""
    content = content or text.strip().encode()
    if len(content) > MAX_BYTES:
        raise DocumentTooLarge
    if content.startswith((b"http://", b"https://")):
        return await _by_address(content.decode(), badges)
    if content.lstrip().startswith(b"<"):
        content = (baked_document(content.decode(errors="replace")) or "").encode()
    try:
        document = parse(content)
    except MalformedJson as malformed:
        raise Unreadable from malformed
    if not isinstance(document, dict):
        raise Unreadable
    return document
