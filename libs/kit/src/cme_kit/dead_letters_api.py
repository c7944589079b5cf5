"""What operators ask and do about dead letters."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Literal

import structlog
from cme_contracts.registry import PERSONAL_SUBJECT_TOKEN
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from cme_kit.auth import InsufficientScope, Principal, Requires
from cme_kit.dead_letters import DeadLetters, Letter, LetterGone
from cme_kit.http import Paged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import NotFound, Unprocessable
from cme_kit.redrive import Prospect, Redrive
from cme_kit.schemas import Page, Schema, ShortText, example
from cme_kit.streams import asking_the_broker

log = structlog.get_logger(__name__)
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="The number of the dead letter")]


class DeadLetterView(BaseModel):
    """A message that this service could not apply."""

    number: int = Field(description="Its place in the dead-letter stream, by which it is redriven or discarded")
    subject: str = Field(description="The subject it was published on")
    event_id: str | None = Field(description="Null when the message is no event")
    aggregate: str | None = Field(description="What the event is about")
    reason: str = Field(description="Why it could not be applied")
    attempts: int = Field(description="How often it was tried")
    trace_id: str | None = Field(description="The trace in which it failed")
    buried_at: datetime = Field(description="When it was given up, UTC")
    size: int = Field(description="Bytes of the message")


class DeadLetterWithBody(DeadLetterView):
    """A dead letter with its original bytes."""

    body: str = Field(description="The message as it came")
    encoding: Literal["utf-8", "base64"] = Field(description="How `body` says the bytes")


class Rehearsal(BaseModel):
    """What redriving a dead letter would do now."""

    number: int
    outcome: Prospect = Field(description="applied_before: its effect is there, redriving would only remove the letter")
    reason: str | None = Field(description="Why it would fail")
    behind: list[int] = Field(description="Letters behind it in its aggregate, which redriving it would try next")


class RedriveOutcome(BaseModel):
    """What became of a dead letter."""

    number: int
    outcome: Literal["applied", "failed"]
    reason: str | None = Field(description="Why it failed again; the letter stays")
    also: list[int] = Field(description="Letters behind it in its aggregate that were applied with it")


class Discarding(Schema):
    """Why nobody needs a dead letter any more."""

    model_config = example(reason="Test data of the trial run")

    reason: ShortText = Field(description="For the log, such as: test data of the trial run")


def dead_letters_router(service: str) -> APIRouter:
    """List, show, redrive and discard the dead letters of a service."""
    router = service_router("operations", f"/{service}/v1/operations/dead-letters")
    gone = refusals(NotFound, LetterGone)

    @router.get("", summary="Messages that could not be applied", responses=refusals(Unprocessable))
    async def list_dead_letters(
        request: Request, response: Response, paging: Paged, _: Annotated[Principal, Requires("operations:read")]
    ) -> Page[DeadLetterView]:
        """Oldest first."""
        after = paging.after or "0"
        if not after.isdecimal() or len(after) > 18:  # noqa: PLR2004  (what fits 64 bits)
            raise Unprocessable("Send as `after` the `next` of the page before.")
        with asking_the_broker():
            letters = await _letters(request).list_after(int(after), paging.limit + 1)
        return page_of(request, response, [_view(letter) for letter in letters], paging, lambda view: str(view.number))

    @router.get("/{number}", summary="One of them with its original bytes", responses=gone)
    async def show_dead_letter(
        request: Request, number: Number, principal: Annotated[Principal, Requires("operations:read")]
    ) -> DeadLetterWithBody:
        """The bytes of an event with personal data are shown to those who may redrive it only."""
        with asking_the_broker():
            letter = await _letters(request).find(number)
        if letter.subject.startswith(f"cme.{PERSONAL_SUBJECT_TOKEN}.") and not principal.may("operations:write"):
            raise InsufficientScope("operations:write")
        try:
            body, encoding = letter.body.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            body, encoding = base64.b64encode(letter.body).decode("ascii"), "base64"
        return DeadLetterWithBody.model_validate({**_view(letter).model_dump(), "body": body, "encoding": encoding})

    @router.post("/{number}/rehearsal", summary="What redriving it would do", responses=gone)
    async def rehearse_dead_letter(
        request: Request, number: Number, _: Annotated[Principal, Requires("operations:write")]
    ) -> Rehearsal:
        """The event is applied in a transaction that is then undone: nothing changes."""
        redrive: Redrive = request.app.state.platform.redrive
        with asking_the_broker():
            rehearsed = await redrive.rehearse(number)
        return Rehearsal(number=number, outcome=rehearsed.prospect, reason=rehearsed.reason, behind=rehearsed.behind)

    @router.post("/{number}/redrive", summary="Apply it now", responses=gone)
    async def redrive_dead_letter(
        request: Request, number: Number, principal: Annotated[Principal, Requires("operations:write")]
    ) -> RedriveOutcome:
        """Apply the event by the same once-only code, and those behind it in its aggregate in their order.

        What is applied is no dead letter any more; what fails again stays one.
        """
        redrive: Redrive = request.app.state.platform.redrive
        with asking_the_broker():
            outcome = await redrive.redrive(number)
        failed = outcome.reason is not None
        log.warning("redriven", number=number, reason=outcome.reason, also=outcome.also, by=principal.subject)
        return RedriveOutcome(
            number=number, outcome="failed" if failed else "applied", reason=outcome.reason, also=outcome.also
        )

    @router.post("/{number}/discard", status_code=204, summary="Give it up for good", responses=gone)
    async def discard_dead_letter(
        request: Request,
        number: Number,
        body: Discarding,
        principal: Annotated[Principal, Requires("operations:write")],
    ) -> None:
        """The event will never be applied here; those behind it in its aggregate can be redriven then."""
        letters = _letters(request)
        with asking_the_broker():
            letter = await letters.find(number)
            await letters.discard(letter, body.reason)
        event_id = str(letter.envelope.id) if letter.envelope else None
        log.warning("discarded", number=number, event_id=event_id, reason=body.reason, by=principal.subject)

    return router


def _letters(request: Request) -> DeadLetters:
    letters: DeadLetters = request.app.state.platform.dead_letters
    return letters


def _view(letter: Letter) -> DeadLetterView:
    return DeadLetterView(
        number=letter.number,
        subject=letter.subject,
        event_id=str(letter.envelope.id) if letter.envelope else None,
        aggregate=letter.envelope.subject if letter.envelope else None,
        reason=letter.reason,
        attempts=letter.attempts,
        trace_id=letter.trace_id,
        buried_at=letter.buried_at,
        size=len(letter.body),
    )
