"""Errors as problem documents (RFC 9457): one base class, one place where they become answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cme_kit.methods import allowed_at
from cme_kit.mongo import PyMongoError, is_passing
from cme_kit.telemetry import shown_path

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://clustereducation.example/problems/"
FAILED = "Something failed on our side. Quote the trace_id to us."
DATABASE_AWAY = "The database does not answer right now; send the same request again in a moment."
log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One thing wrong in a request."""

    field: str = Field(description="Where: body.units.0.points, query.limit, header.if-match")
    code: str = Field(description="A stable word for the kind of mistake")
    detail: str = Field(description="What to change")


class Problem(BaseModel):
    """The answer to every failed request (RFC 9457 section 3.1)."""

    type: str = Field(description="URI of the kind of problem")
    title: str = Field(description="The kind of problem in a few words")
    status: int = Field(description="The HTTP status code")
    detail: str = Field(description="What happened here and what to do next")
    code: str = Field(description="A stable word for the kind of problem")
    trace_id: str | None = Field(default=None, description="The trace of this request, for whoever helps you")
    errors: list[FieldError] | None = Field(default=None, description="Each thing to change, when there are several")


#: Refusals of who may not, of what means two things, and of too much (OWASP ASVS 5.0, 16.3.2 and 16.3.3).
SECURITY_RELEVANT = frozenset({400, 401, 403, 413, 414, 415, 429, 431})


class ServiceError(Exception):
    """An error the caller can understand. Features subclass it with their code and status.

    `detail` tells the caller what to do next; nothing internal belongs in it.
    """

    code: str = "bad_request"
    status: int = 400

    def __init__(
        self, detail: str, *, headers: dict[str, str] | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.errors = list(errors)


class NotFound(ServiceError):
    """Unknown, or another organisation's: both answer the same."""

    code, status = "not_found", 404

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no {what} with this id that you may see.")


class Conflict(ServiceError):
    """The state of the resource does not allow it."""

    code, status = "conflict", 409


class Forbidden(ServiceError):
    """You are known, and it is not for you."""

    code, status = "forbidden", 403


class Unprocessable(ServiceError):
    """Well formed, but a rule of the field is broken."""

    code, status = "unprocessable", 422


class InvalidRequest(Unprocessable):
    """The request does not fit the interface; `errors` lists each field to change."""

    code = "invalid_request"


class InternalError(ServiceError):
    """Something failed on our side; quote the trace_id to us."""

    code, status = "internal_error", 500


class Unavailable(ServiceError):
    """Something this service needs does not answer; trying again later helps."""

    code, status = "unavailable", 503

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def current_trace_id() -> str | None:
    """The trace id of the running span as 32 hex digits, or None outside a trace."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    """The one place where a problem document is made, and where a refusal that matters to security is logged."""
    if status in SECURITY_RELEVANT:
        log.info("refused", status=status, code=code)
    problem = Problem(
        type=TYPE_BASE + code,
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        trace_id=current_trace_id(),
        errors=list(errors) or None,
    )
    return Response(
        problem.model_dump_json(exclude_none=True), status, {**(headers or {}), "Cache-Control": "no-store"}, MEDIA_TYPE
    )


def _field_errors(errors: Sequence[Any]) -> list[FieldError]:
    return [
        FieldError(field=".".join(str(part) for part in error["loc"]), code=error["type"], detail=error["msg"])
        for error in errors[:50]
    ]


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of an app a problem document, unexpected ones included."""

    @app.exception_handler(ServiceError)
    async def service_error(_request: Request, error: ServiceError) -> Response:
        return problem_response(error.status, error.code, error.detail, headers=error.headers, errors=error.errors)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(item["type"] == "json_invalid" for item in found):
            return problem_response(400, "malformed_json", "The body is not valid JSON.", errors=_field_errors(found))
        detail = "The request does not fit the interface; errors lists each field to change. Nothing was changed."
        return problem_response(InvalidRequest.status, InvalidRequest.code, detail, errors=_field_errors(found))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        detail = error.detail if error.detail != phrase else f"{phrase}."
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = allowed_at(app, request.scope) or headers.get("Allow", "")
        return problem_response(error.status_code, code, detail, headers=headers)

    @app.exception_handler(PyMongoError)
    async def database_error(request: Request, error: PyMongoError) -> Response:
        if not is_passing(error):
            return await unexpected(request, error)
        # Whether a commit was made may be unknown; repeated with its Idempotency-Key, a request still acts once.
        log.warning("the database did not answer", path=_path(request), error=type(error).__name__)
        waiting = Unavailable(DATABASE_AWAY)
        return problem_response(waiting.status, waiting.code, waiting.detail, headers=waiting.headers)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected error", path=_path(request), exc_info=error)
        return problem_response(InternalError.status, InternalError.code, FAILED)


def _path(request: Request) -> str:
    return shown_path(request.url.path, getattr(request.scope.get("route"), "path", ""))


def retry_after_seconds(seconds: float) -> str:
    """A `Retry-After` value: whole seconds, at least 1 (RFC 9110 section 10.2.3)."""
    return str(max(1, math.ceil(seconds)))
