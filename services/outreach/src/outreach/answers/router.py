"""The public pages of a mail's links. GET shows, POST acts: mail scanners follow every link they find."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import refusals, representations
from cme_kit.pages import Pages, wants
from cme_kit.problems import NotFound, ServiceError
from cme_kit.schemas import Schema, example
from cme_kit.strict_json import MalformedJson
from fastapi import Path, Request, Response
from pydantic import BaseModel, ValidationError

from outreach.answers.service import INTERESTS, Answers, LinkExpired, UnknownInterest

router = service_router("answers", "/outreach")
pages = Pages("outreach")
Token = Annotated[str, Path(description="From the link in the mail")]
MAX_FORM_BYTES = 4_096
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Answer(Schema):
    """What was sent, by a form or as JSON."""

    model_config = example(interest="webinar")

    interest: str = ""
    scope: str = ""
    one_click: bool = False


class UnreadableAnswer(ServiceError):
    """Neither a form nor JSON of this page."""

    code, status = "unreadable_answer", 422


class AnswerState(BaseModel):
    """The page as JSON."""

    state: str
    purpose: str | None = None
    interests: list[str] | None = None


PAGE = representations("text/html")
ANSWER_BODY = {
    "requestBody": {
        "content": {media_type: {"schema": Answer.model_json_schema()} for media_type in (FORMS[0], "application/json")}
    }
}


def _as_json(request: Request) -> bool:
    return wants(request, "text/html", "application/json") == "application/json"


async def _answer(request: Request) -> Answer:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if len(await request.body()) > MAX_FORM_BYTES:
        raise UnreadableAnswer("The answer is too long.")
    try:
        if kind == "application/json":
            return Answer.model_validate(await request.json())
        fields = dict(await request.form()) if kind in FORMS else {}
        # RFC 8058 section 3.2: the mail program posts this and nothing else.
        one_click = fields.pop("List-Unsubscribe", None) == "One-Click"
        return Answer.model_validate({**fields, "one_click": one_click})
    except ValidationError as error:
        raise UnreadableAnswer("Send the form of this page, or its fields as JSON.") from error


def _failure(request: Request, error: ServiceError) -> Response:
    if _as_json(request):
        raise error
    return pages.render(request, "link_failed.html", status=error.status, expired=isinstance(error, LinkExpired))


@router.get("/unsubscribe/{token}", response_model=AnswerState, responses=PAGE | refusals(NotFound, as_page=True))
async def show_unsubscribe(
    token: Token, request: Request, answers: Annotated[Answers, Provided(Answers)], _: Annotated[None, Public()]
) -> Response | AnswerState:
    """Ask whether the contact wants no more mails; changes nothing."""
    try:
        subscription = await answers.subscription(token)
    except NotFound as error:
        return _failure(request, error)
    if _as_json(request):
        return AnswerState(state="stopped" if subscription.stopped else "subscribed", purpose=subscription.purpose)
    return pages.render(request, "unsubscribe.html", subscription=subscription, done=subscription.stopped)


@router.post(
    "/unsubscribe/{token}",
    response_model=AnswerState,
    openapi_extra=ANSWER_BODY,
    responses=PAGE | refusals(NotFound, as_page=True) | refusals(MalformedJson, UnreadableAnswer),
)
async def unsubscribe(
    token: Token, request: Request, answers: Annotated[Answers, Provided(Answers)], _: Annotated[None, Public()]
) -> Response | AnswerState:
    """No more mails, by the page's button or by one click in the mail program (RFC 8058); twice is harmless."""
    try:
        answer = await _answer(request)
        subscription = await answers.unsubscribe(token, everything=answer.scope == "all")
    except NotFound as error:
        return _failure(request, error)
    if answer.one_click or _as_json(request):
        return AnswerState(state="stopped", purpose=subscription.purpose)
    return pages.render(request, "unsubscribe.html", subscription=subscription, done=True)


@router.get(
    "/interest/{token}",
    response_model=AnswerState,
    responses=PAGE | refusals(NotFound, LinkExpired, as_page=True),
)
async def show_interest(
    token: Token, request: Request, answers: Annotated[Answers, Provided(Answers)], _: Annotated[None, Public()]
) -> Response | AnswerState:
    """Ask what the contact wishes; changes nothing, so that a scanner is not taken for a person."""
    try:
        await answers.invitation(token)
    except (NotFound, LinkExpired) as error:
        return _failure(request, error)
    if _as_json(request):
        return AnswerState(state="open", interests=list(INTERESTS))
    return pages.render(request, "interest.html", done=False, wrong=False, chosen="")


@router.post(
    "/interest/{token}",
    response_model=AnswerState,
    openapi_extra=ANSWER_BODY,
    responses=PAGE
    | refusals(MalformedJson)
    | refusals(NotFound, LinkExpired, UnreadableAnswer, UnknownInterest, as_page=True),
)
async def register_interest(
    token: Token, request: Request, answers: Annotated[Answers, Provided(Answers)], _: Annotated[None, Public()]
) -> Response | AnswerState:
    """Record what the contact wishes: `interest` is guide, webinar or call_me. Twice is harmless."""
    answer = await _answer(request)
    try:
        await answers.register_interest(token, answer.interest)
    except UnknownInterest as error:
        if _as_json(request):
            raise
        return pages.render(
            request, "interest.html", status=error.status, done=False, wrong=True, chosen=answer.interest
        )
    except (NotFound, LinkExpired) as error:
        return _failure(request, error)
    if _as_json(request):
        return AnswerState(state="registered", interests=[answer.interest])
    return pages.render(request, "interest.html", done=True, wrong=False, chosen=answer.interest)
