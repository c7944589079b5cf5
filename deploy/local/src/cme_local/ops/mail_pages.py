from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cme_local.ops.mailbox import Mailbox, as_document


def routes(mailbox: Mailbox) -> list[Route]:
    """Pages and JSON API over a mailbox."""

    async def messages(request: Request) -> Response:
        return JSONResponse({"items": [as_document(mail) for mail in mailbox.find()]})

    return [Route("/api/messages", messages)]
