"""Dead letters for people: list, show, redrive, discard. Every form works without script and carries its session's token."""

from __future__ import annotations

import asyncio
import base64
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cme_local.errors import UserError
from cme_local.ops.access import Access
from cme_local.ops.letter_desk import Desk, Opening, Result, Results
from cme_local.ops.pages import HEADERS, form_of, page
from cme_local.ops.search import is_id
from cme_local.processes import CONSUMING

if TYPE_CHECKING:
    from cme_local.operating import OpenedLetter

PLACE = "Dead letters"
MOST_SHOWN = 20_000
LONGEST_REASON = 200
ASK_FOR_REASON = "Say why nobody needs this message any more, such as: test data of the trial run"


class DeadLetterPages:
    """The pages over the operator's client."""

    def __init__(self, opening: Opening, access: Access) -> None:
        self._desk = Desk(opening)
        self._access = access
        self._results = Results()

    async def listing(self, request: Request) -> Response:
        """The letters of all services, or of one from a cursor on."""
        asked = request.query_params
        chosen = asked.get("service", "") if asked.get("service") in CONSUMING else ""
        after = asked.get("after") if chosen else None
        services = [chosen] if chosen else list(CONSUMING)
        listed = await asyncio.gather(*(self._desk.page(service, after or None) for service in services))
        return page(
            "dead_letters.html",
            here=PLACE,
            listed=listed,
            letters=[letter for one in listed for letter in one.letters],
            chosen=chosen,
            services=CONSUMING,
            result=self._results.get(asked.get("result", "")),
        )

    async def letter(self, request: Request) -> Response:
        """One letter, with what can be done about it."""
        return await self._show(request)

    async def source(self, request: Request) -> Response:
        """Its original bytes."""
        try:
            letter = await self._opened(request)
        except UserError as error:
            return _failure(error)
        body = base64.b64decode(letter.body) if letter.encoding == "base64" else letter.body.encode()
        name = f'attachment; filename="{letter.service}-{letter.number}.bin"'
        return Response(body, headers=HEADERS | {"Content-Disposition": name}, media_type="application/octet-stream")

    async def redrive(self, request: Request) -> Response:
        """Apply it, and say what came of it."""
        service, number = _named(request)
        if not self._access.accepts_form(request, await form_of(request)):
            return _foreign()
        try:
            done = await self._desk.ask(lambda operator: operator.redrive(service, number))
        except UserError as error:
            return _failure(error)
        if done.outcome != "applied":
            text = f"It failed again and stays a dead letter. Reason: {done.reason}"
            return self._to(f"/dead-letters/{service}/{number}", Result("failed", text))
        also = f", and so were those behind it: {', '.join(map(str, done.also))}" if done.also else ""
        text = f"Letter {number} of {service} was applied and is no dead letter any more{also}."
        return self._to("/dead-letters", Result("ok", text))

    async def rehearse(self, request: Request) -> Response:
        """Try it in a transaction that is undone, and say what would come of it."""
        service, number = _named(request)
        if not self._access.accepts_form(request, await form_of(request)):
            return _foreign()
        try:
            done = await self._desk.ask(lambda operator: operator.rehearse(service, number))
        except UserError as error:
            return _failure(error)
        behind = f" Behind it wait: {', '.join(map(str, done.behind))}." if done.behind else ""
        match done.outcome:
            case "would_apply":
                result = Result("ok", f"Nothing was changed. It would be applied now.{behind}")
            case "applied_before":
                result = Result(
                    "ok", f"Nothing was changed. Its effect is there already: redriving removes it.{behind}"
                )
            case _:
                result = Result("failed", f"Nothing was changed. It would fail again. Reason: {done.reason}{behind}")
        return self._to(f"/dead-letters/{service}/{number}", result)

    async def discard(self, request: Request) -> Response:
        """Give it up, for a reason."""
        service, number = _named(request)
        form = await form_of(request)
        if not self._access.accepts_form(request, form):
            return _foreign()
        reason = form.get("reason", "").strip()
        if not reason:
            return await self._show(request, ASK_FOR_REASON)
        if len(reason) > LONGEST_REASON:
            return await self._show(request, f"Say it in at most {LONGEST_REASON} characters", reason)
        try:
            await self._desk.ask(lambda operator: operator.discard(service, number, reason))
        except UserError as error:
            return _failure(error)
        text = f"Letter {number} of {service} was discarded: {reason}. Its event will never be applied there."
        return self._to("/dead-letters", Result("ok", text))

    async def _show(self, request: Request, wrong: str = "", reason: str = "") -> Response:
        try:
            letter = await self._opened(request)
        except UserError as error:
            return _failure(error)
        return page(
            "dead_letter.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
            here=PLACE,
            letter=letter,
            has_way=is_id,
            shown=letter.body[:MOST_SHOWN],
            form_token=self._access.form_token(request),
            result=self._results.get(request.query_params.get("result", "")),
            wrong=wrong,
            reason=reason,
        )

    async def _opened(self, request: Request) -> OpenedLetter:
        service, number = _named(request)
        return await self._desk.ask(lambda operator: operator.letter(service, number))

    def _to(self, path: str, result: Result) -> Response:
        """Back to a page that says what happened; loading it again does nothing again."""
        return RedirectResponse(f"{path}?result={self._results.keep(result)}", HTTPStatus.SEE_OTHER, HEADERS)


def routes(opening: Opening, access: Access) -> list[Route]:
    """The pages by their addresses; what changes something is a POST."""
    pages = DeadLetterPages(opening, access)
    one = "/dead-letters/{service}/{number:int}"
    return [
        Route("/dead-letters", pages.listing),
        Route(one, pages.letter),
        Route(f"{one}/source", pages.source),
        Route(f"{one}/rehearsal", pages.rehearse, methods=["POST"]),
        Route(f"{one}/redrive", pages.redrive, methods=["POST"]),
        Route(f"{one}/discard", pages.discard, methods=["POST"]),
    ]


def _named(request: Request) -> tuple[str, int]:
    return request.path_params["service"], request.path_params["number"]


def _failure(error: UserError) -> Response:
    status = getattr(error, "status", HTTPStatus.SERVICE_UNAVAILABLE)
    if status == HTTPStatus.NOT_FOUND:
        return page("letter_gone.html", HTTPStatus.NOT_FOUND, here=PLACE)
    return page("not_done.html", status, here=PLACE, why=str(error))


def _foreign() -> Response:
    why = (
        "This form is not from a page of yours, or you signed in anew since. Open the letter again and repeat it there."
    )
    return page("not_done.html", HTTPStatus.FORBIDDEN, here=PLACE, why=why)
