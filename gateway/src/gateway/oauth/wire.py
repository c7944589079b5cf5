"""The endpoints that clients' back ends call, in raw ASGI: each layer of a framework would cost as much as a grant.

A form comes in, JSON goes out; errors are those of RFC 6749 section 5.2, which is older than problem documents.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import structlog
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from cme_kit.metrics import observe_request
from cme_kit.mongo import PyMongoError
from cme_kit.problems import ServiceError
from starlette.types import Receive, Scope, Send

from gateway.edge.tracing import Spans
from gateway.oauth.authentication import ClientAuthentication
from gateway.oauth.inspection import Inspection
from gateway.oauth.parameters import claimed_client_id, single_values
from gateway.oauth.requests import PushedRequests
from gateway.oauth.tokens import Tokens
from gateway.usage.service import Seen, Usage

FORM = b"application/x-www-form-urlencoded"
#: A request object of a client is the longest thing in a form.
LONGEST_FORM = 64 * 1024
MOST_FIELDS = 50
_ALWAYS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"pragma", b"no-cache")]
_CHALLENGE = (b"www-authenticate", b'Basic realm="oauth"')
#: Errors that a client meets after it was authenticated; an app without a credential is taken at its word. All others
#: may be anybody's, whoever they say they are.
_OF_THE_CLIENT = frozenset(
    {
        *("invalid_grant", "invalid_scope", "invalid_target", "unauthorized_client"),
        *("invalid_dpop_proof", "use_dpop_nonce", "invalid_request_object"),
    }
)
log = structlog.get_logger(__name__)


class FormTooLarge(InvalidRequestError):  # type: ignore[misc]  # authlib has no types
    """The form is over the limit."""

    status_code = 413


class _Call:
    """One request of a client: what the use cases read of it."""

    __slots__ = ("authorization", "client_id", "error", "failure", "proofs", "values")

    def __init__(self, values: dict[str, str], authorization: str | None, proofs: list[str]) -> None:
        self.values = values
        self.authorization = authorization
        self.proofs = proofs
        #: Whom it was found to be of.
        self.client_id: str | None = None
        #: Why it was refused.
        self.error: str | None = None
        #: Why it could not be answered.
        self.failure: Exception | None = None


#: Status, headers and body, as they are sent.
_Response = tuple[int, list[tuple[bytes, bytes]], bytes]
#: Status, body and the nonce of the client's next proof.
Answer = tuple[int, dict[str, Any] | None, str | None]
Endpoint = Callable[[_Call], Awaitable[Answer]]


class BackChannel:
    """Token, introspection, revocation and pushed request endpoints, by their paths."""

    def __init__(
        self,
        tokens: Tokens,
        inspection: Inspection,
        pushed: PushedRequests,
        authentication: ClientAuthentication,
        usage: Usage,
        spans: Spans,
    ) -> None:
        self._tokens = tokens
        self._inspection = inspection
        self._pushed = pushed
        self._authentication = authentication
        self._usage = usage
        self._spans = spans
        self.endpoints: dict[str, Endpoint] = {
            "/oauth/token": self._token,
            "/oauth/introspect": self._introspect,
            "/oauth/revoke": self._revoke,
            "/oauth/par": self._push,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to one of the paths."""
        path = scope["path"]
        began, began_ns = time.perf_counter(), time.time_ns()
        status, trace_id = 500, 0
        try:
            call, refused = await _received(scope, receive)
            if call is None or _goes_without_saying(path, call):
                status, headers, body = refused or await self._answered(path, call)
                if status >= HTTPStatus.BAD_REQUEST:
                    span = self._spans.begin("POST", "oauth", path, None, began_ns)
                    trace_id = span.trace_id
                    with span.current():
                        _tell(path, call, status)
                    span.end(status)
            else:
                span = self._spans.begin("POST", "oauth", path, None, began_ns)
                trace_id = span.trace_id
                with span.current():
                    status, headers, body = await self._answered(path, call)
                    _tell(path, call, status)
                span.end(status)
            if call is not None:
                self._note(path, call, status, time.perf_counter() - began, trace_id)
            headers = [*headers, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        finally:
            observe_request(scope["method"], path, status, began)

    def _note(self, path: str, call: _Call, status: int, seconds: float, trace_id: int) -> None:
        """Keep the request in the client's log, unless it was not proved to be the client's."""
        if status >= HTTPStatus.BAD_REQUEST and call.error not in _OF_THE_CLIENT:
            return
        client_id = call.client_id or claimed_client_id(call.values, call.authorization)
        if client_id is not None:
            request = Seen(time.time(), "POST", path, "", path, False, status, seconds, trace_id, call.error)
            self._usage.record(client_id, request)

    async def _answered(self, path: str, call: _Call | None) -> _Response:
        assert call is not None
        try:
            status, answer, nonce = await self.endpoints[path](call)
        except OAuth2Error as error:
            call.error = str(error.error)
            if isinstance(error, InvalidClientError):
                await self._enter(call)
            return _refusal(error, call)
        except (PyMongoError, ServiceError) as error:
            call.failure = error
            return _error(503, "temporarily_unavailable", "Try again in a moment.", (b"retry-after", b"1"))
        except Exception as error:  # noqa: BLE001 -- told below, and whoever asked gets an answer
            call.failure = error
            return _error(500, "server_error", "Something failed on our side.")
        headers = [*_ALWAYS, (b"dpop-nonce", nonce.encode())] if nonce is not None else _ALWAYS
        return status, headers, _json(answer) if answer is not None else b""

    async def _enter(self, call: _Call) -> None:
        try:
            await self._authentication.record_refusal(call.values, call.authorization)
        except PyMongoError as error:
            # Who is refused is told so, whether or not it can be written down.
            log.warning("a refusal is not in the trail", error=type(error).__name__)

    async def _token(self, call: _Call) -> Answer:
        issued = await self._tokens.issue(call.values, call.authorization, call.proofs)
        call.client_id = issued.client_id
        return 200, issued.answer, issued.next_nonce

    async def _introspect(self, call: _Call) -> Answer:
        return 200, await self._inspection.introspect(call.values, call.authorization), None

    async def _revoke(self, call: _Call) -> Answer:
        await self._inspection.revoke(call.values, call.authorization)
        return 200, None, None

    async def _push(self, call: _Call) -> Answer:
        answer, nonce = await self._pushed.push(call.values, call.authorization, call.proofs)
        return 201, answer, nonce


def _tell(path: str, call: _Call | None, status: int) -> None:
    """Leave a line of a request that was refused or could not be answered, in its trace."""
    failure = call.failure if call is not None else None
    if failure is not None and status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("a client could not be answered", error=type(failure).__name__)
    elif failure is not None:
        log.error("unexpected error", path=path, exc_info=failure)
    elif status >= HTTPStatus.BAD_REQUEST:
        log.info("refused", path=path, status=status, code=call.error if call is not None else "invalid_request")


def _goes_without_saying(path: str, call: _Call) -> bool:
    """Whether a success needs no span: of thousands a second that touch nothing else, figures say as much."""
    return path == "/oauth/introspect" or call.values.get("grant_type") == "client_credentials"


async def _received(scope: Scope, receive: Receive) -> tuple[_Call | None, _Response | None]:
    """What was sent, or the answer to what cannot be read."""
    if scope["method"] != "POST":
        return None, _error(405, "invalid_request", "Use POST.", (b"allow", b"POST"))
    try:
        return await _read(scope["headers"], receive), None
    except OAuth2Error as error:
        return None, _refusal(error, None)


async def _read(headers: list[tuple[bytes, bytes]], receive: Receive) -> _Call:
    """The form of a request. Raises InvalidRequestError for anything else (RFC 6749 appendix B)."""
    authorizations, proofs, media_type = [], [], b""
    for name, value in headers:
        if name == b"authorization":
            authorizations.append(value.decode("latin-1"))
        elif name == b"dpop":
            proofs.append(value.decode("latin-1"))
        elif name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
    if len(authorizations) > 1:
        raise InvalidRequestError("Send one Authorization header.")
    if media_type != FORM:
        raise InvalidRequestError(f"Send the parameters as {FORM.decode()}.")
    body = await _body(receive)
    try:
        items = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidRequestError("The form cannot be read.") from error
    return _Call(single_values(items), authorizations[0] if authorizations else None, proofs)


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequestError("The form broke off.")
        body += message.get("body", b"")
        if len(body) > LONGEST_FORM:
            raise FormTooLarge(f"A form may have {LONGEST_FORM} bytes.")
        more = message.get("more_body", False)
    return body


def _refusal(error: OAuth2Error, call: _Call | None) -> _Response:
    status, body, given = error()
    headers = [(name.lower().encode(), value.encode()) for name, value in given if name.lower() == "dpop-nonce"]
    if isinstance(error, InvalidClientError):
        # RFC 6749 section 5.2: 401, with a challenge for who tried the Authorization header.
        status = 401
        if call is None or call.authorization is not None or "client_assertion" not in call.values:
            headers.append(_CHALLENGE)
    return status, [*_ALWAYS, *headers], _json(body)


def _error(status: int, code: str, description: str, *headers: tuple[bytes, bytes]) -> _Response:
    return status, [*_ALWAYS, *headers], _json({"error": code, "error_description": description})


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
