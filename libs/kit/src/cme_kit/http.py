"""What HTTP handlers share: idempotent creation, entity tags, cursor pages, provided services."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from cme_kit.clock import Clock
from cme_kit.mongo import BulkWriteError, Database, DuplicateKeyError, Index
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import ServiceError, Unprocessable
from cme_kit.schemas import Page
from cme_kit.strict_json import StrictRoute

IDEMPOTENCY = "idempotency"
INDEXES = (Index(IDEMPOTENCY, ("created",), expire_seconds=int(timedelta(days=2).total_seconds())),)
KEY_PATTERN = re.compile(r"^[\x21-\x7e]{1,255}$")
REVISION_PATTERN = re.compile(r'^(?:W/)?"([0-9]{1,18})"$')
#: The same for readers of the API's document, in the words that every dialect of regular expressions has.
REVISION_FORM = '^(W/)?"[0-9]{1,18}"$'
Model = TypeVar("Model", bound=BaseModel)


def service_router(tag: str, prefix: str = "") -> APIRouter:
    """A feature's router: strict JSON bodies, one tag."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)


class BadIdempotencyKey(ServiceError):
    """The key itself is wrong."""

    code, status = "bad_idempotency_key", 400


class KeyReused(Unprocessable):
    """The key was used for another request before."""

    code = "idempotency_key_reused"


class PreconditionRequired(ServiceError):
    """A change without saying which state it changes (RFC 6585 section 3)."""

    code, status = "precondition_required", 428


class PreconditionFailed(ServiceError):
    """The resource changed since the caller read it (RFC 9110 section 13.1.1)."""

    code, status = "precondition_failed", 412


def Provided(kind: type) -> Any:  # noqa: N802  (reads as a type in signatures)
    """The instance of `kind` that the composition root built."""

    # This one and its like below are coroutines: FastAPI runs a plain function in a thread, which costs more than they do.
    async def provided(request: Request) -> Any:
        return request.app.state.provided[kind]

    return Depends(provided)


class IdempotentCreation:
    """Runs a creating transaction once per `Idempotency-Key` (Internet-Draft httpapi-idempotency-key-header-07).

    The answer is stored in the same transaction as the effect, so a repeated request gets the first answer,
    whatever was killed in between. Without a key the transaction simply runs.
    """

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, request: Request, key: str | None) -> None:
        self._answers = database.collection(IDEMPOTENCY)
        self._outbox = outbox
        self._clock = clock
        self._request = request
        self._key = key

    async def __call__(self, answer: type[Model], work: Callable[[Transaction], Awaitable[Model]]) -> Model:
        """The result of `work`, or the stored one. Raises BadIdempotencyKey or KeyReused."""
        key = self._key
        if key is None:
            return await self._outbox.transaction(work)
        if not KEY_PATTERN.match(key):
            raise BadIdempotencyKey("Send an Idempotency-Key of 1 to 255 visible ASCII characters.")
        principal = getattr(self._request.state, "principal", None)
        caller = f"{principal.client_id} {principal.subject}" if principal else "public"
        place = f"{caller} {self._request.method} {self._request.url.path} {key}"
        row_id = hashlib.sha256(place.encode()).hexdigest()
        # Keyed by what is not stored: a body with a password must not be guessable from its stored hash.
        body_hash = hmac.digest(place.encode(), await self._request.body(), "sha256").hex()

        async def stored_answer() -> Model | None:
            stored = await self._answers.find_one({"_id": row_id})
            if stored is None:
                return None
            if stored["body_hash"] != body_hash:
                raise KeyReused("This Idempotency-Key was used with another body. Use a new key.")
            return answer.model_validate_json(stored["answer"])

        async def once(tx: Transaction) -> Model:
            result = await work(tx)
            row = {
                "_id": row_id,
                "body_hash": body_hash,
                "answer": result.model_dump_json(),
                "created": self._clock.now(),
            }
            await self._answers.insert(row, session=tx.session)
            return result

        try:
            return await self._outbox.transaction(once)
        except (ServiceError, DuplicateKeyError, BulkWriteError):
            # The same request may have come before: its row, or what it changed, is what this one met.
            if (found := await stored_answer()) is not None:
                return found
            raise


async def creation(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=(
                "A new value for each thing to do, such as a UUID. The same request with the same key is done once: a "
                "repetition gets the first answer (Internet-Draft httpapi-idempotency-key-header-07)."
            ),
            json_schema_extra={"pattern": KEY_PATTERN.pattern, "examples": ["8e03978e-40d5-43e8-bc93-6894a57f9324"]},
        ),
    ] = None,
) -> IdempotentCreation:
    """What `Once` stands for."""
    platform = request.app.state.platform
    return IdempotentCreation(platform.database, platform.outbox, platform.clock, request, idempotency_key)


#: In a handler: `once: Once`, then `return await once(ApplicationView, lambda tx: applications.submit(tx, …))`.
Once = Annotated[IdempotentCreation, Depends(creation)]


async def if_match(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description=(
                "The `ETag` you last read; nothing is changed when the resource changed since "
                "(RFC 9110 section 13.1.1). Required: 428 without it."
            ),
            json_schema_extra={"pattern": REVISION_FORM, "examples": ['"3"']},
        ),
    ] = None,
) -> int:
    """What `ExpectedRevision` stands for. Raises PreconditionRequired or PreconditionFailed."""
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag you last read.")
    match = REVISION_PATTERN.match(if_match.strip())
    if match is None:
        raise PreconditionFailed("If-Match names no revision of this resource; read it again.")
    return int(match[1])


#: The revision that the caller saw, from `If-Match`; 428 without it.
ExpectedRevision = Annotated[int, Depends(if_match)]


class EntityTag:
    """Names the revision of the returned resource in its `ETag`."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def set(self, revision: int) -> None:
        """The resource is returned in this revision."""
        self._response.headers["ETag"] = f'"{revision}"'


async def entity_tag(response: Response) -> EntityTag:
    """What `Tagged` stands for."""
    return EntityTag(response)


#: In a handler: `etag: Tagged`, then `etag.set(view.revision)`.
Tagged = Annotated[EntityTag, Depends(entity_tag)]


def stale() -> PreconditionFailed:
    """What to raise when a conditional update found another revision."""
    return PreconditionFailed(
        "It was changed since you read it. Read it again and repeat your change; nothing was saved."
    )


def content_etag(body: bytes) -> str:
    """A strong entity tag of these bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


class Conditional:
    """Which representations the caller has already (`If-None-Match`, RFC 9110 section 13.1.2)."""

    def __init__(self, if_none_match: str | None) -> None:
        self.is_given = if_none_match is not None
        self._tags = [part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")]

    def has(self, etag: str) -> bool:
        """Whether the caller has this one, so that 304 is the answer."""
        return "*" in self._tags or etag in self._tags


async def conditional(
    if_none_match: Annotated[
        str | None, Header(alias="If-None-Match", description="An `ETag` you have: 304 when it still holds")
    ] = None,
) -> Conditional:
    """What `ConditionalRequest` stands for."""
    return Conditional(if_none_match)


#: In a handler: `held: ConditionalRequest`, then `if held.has(etag): return Response(status_code=304, …)`.
ConditionalRequest = Annotated[Conditional, Depends(conditional)]


class Paging(BaseModel):
    """Which part of a list: records after a cursor, at most `limit`."""

    after: str | None = None
    limit: int = 50


async def paging(
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Most records to answer")] = 50,
) -> Paging:
    """What `Paged` stands for."""
    return Paging(after=after, limit=limit)


#: In a handler: `paging: Paged`.
Paged = Annotated[Paging, Depends(paging)]


def page_of(
    request: Request, response: Response, items: list[Model], paging: Paging, cursor: Callable[[Model], str]
) -> Page[Model]:
    """Make the page from up to `limit + 1` records read after the cursor, and set its Link header."""
    more = len(items) > paging.limit
    shown = items[: paging.limit]
    following = cursor(shown[-1]) if more else None
    if following:
        url = request.url.include_query_params(after=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Page(items=shown, next=following)
