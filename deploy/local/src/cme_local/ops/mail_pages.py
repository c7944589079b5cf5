"""Caught mails for people (`/mail`) and for tools (`/api/messages`)."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cme_local.ops.mailbox import MAX_MESSAGES, Mailbox, as_document
from cme_local.ops.pages import HEADERS, page, problem

LISTED = 100


def routes(mailbox: Mailbox) -> list[Route]:
    """Pages and JSON API over a mailbox."""

    async def api_list(request: Request) -> Response:
        query = request.query_params
        limit = query.get("limit", str(LISTED))
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MAX_MESSAGES:
            return problem(400, "invalid_parameter", f"limit: use a whole number from 1 to {MAX_MESSAGES}.")
        found = mailbox.find(to=query.get("to", ""), message_id=query.get("message_id", ""), limit=int(limit))
        return JSONResponse({"items": [as_document(mail) for mail in found], "total": len(mailbox)})

    async def api_one(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        if mail is None:
            return problem(404, "message_not_found", "No such mail is kept; it may have been the oldest one.")
        return JSONResponse(as_document(mail))

    async def list_page(request: Request) -> Response:
        to = request.query_params.get("to", "").strip()
        mails = mailbox.find(to=to, limit=LISTED)
        return page("mails.html", here="Mail", mails=mails, to=to, kept=len(mailbox), listed=LISTED)

    async def mail_page(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        if mail is None:
            return page("missing.html", 404, here="Mail", what="mail", back="/mail")
        return page("mail.html", here="Mail", mail=mail, text=mail.body("plain"), html=mail.body("html"))

    async def source(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        if mail is None:
            return problem(404, "message_not_found", "No such mail is kept; it may have been the oldest one.")
        return PlainTextResponse(mail.raw.decode(errors="replace"), headers=HEADERS)

    return [
        Route("/api/messages", api_list),
        Route("/api/messages/{id:int}", api_one),
        Route("/mail", list_page),
        Route("/mail/{id:int}", mail_page),
        Route("/mail/{id:int}/source", source),
    ]
