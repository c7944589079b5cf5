"""The edge: policies in their order, then the service's answer. Raw ASGI, because each layer costs what a request takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import structlog
from cme_kit import strict_json
from cme_kit.metrics import observe_request
from cme_kit.problems import NotFound, ServiceError, problem_response
from opentelemetry import trace
from opentelemetry.trace import Span
from starlette.types import Receive, Scope, Send
from yarl import URL

from gateway.edge import tracing
from gateway.edge.gate import Gate
from gateway.edge.hygiene import request_headers, response_headers
from gateway.edge.limits import check_head, declared_length, limited
from gateway.edge.rates import Allowance, Rates
from gateway.edge.routes import BODY_LIMIT, UPLOAD_LIMIT, Route, route_of, template_of
from gateway.edge.upstreams import DeadlineExceeded, RequestTimeout, UpstreamDown, UpstreamFailed

#: An answer up to this size is sent in one piece.
WHOLE_ANSWER = 64 * 1024
log = structlog.get_logger(__name__)
Headers = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The caller hung up while sending."""


class _Exchange:
    """One request on its way: what later steps and the error answer need."""

    __slots__ = ("allowance", "body_failure", "body_read", "next_nonce", "span", "started", "status")

    def __init__(self) -> None:
        self.span: Span | None = None
        self.allowance: Allowance | None = None
        self.next_nonce: str | None = None
        self.body_read = False
        #: Why the caller's body could not be read; the client reports only that sending failed.
        self.body_failure: Exception | None = None
        self.started = False
        self.status = 500


class Edge:
    """Forwards requests to the services."""

    def __init__(
        self,
        upstreams: dict[str, str],
        client: aiohttp.ClientSession,
        gate: Gate,
        rates: Rates,
        scheme: str,
        deadline_seconds: float,
    ) -> None:
        self._upstreams = upstreams
        self._client = client
        self._gate = gate
        self._rates = rates
        self._scheme = scheme
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with a problem document when it cannot be forwarded."""
        exchange = _Exchange()
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline):
                await self._handle(exchange, scope, receive, send)
        except ServiceError as error:
            await self._refuse(exchange, error, scope, receive, send)
        except TimeoutError:
            late: ServiceError = RequestTimeout("The body did not arrive in time.")
            if exchange.body_read:
                late = DeadlineExceeded(f"No answer within {self._deadline:g} s. Ask again.")
            await self._refuse(exchange, late, scope, receive, send)
        except ClientGone:
            exchange.status = 499
        except Exception:
            log.exception("unexpected error", path=scope["path"])
            failed = ServiceError("Something failed on our side. Quote the trace_id to us.")
            failed.code, failed.status = "internal_error", 500
            await self._refuse(exchange, failed, scope, receive, send)
        finally:
            observe_request(scope["method"], template_of(scope["path"]), exchange.status, began)
            if exchange.span is not None:
                tracing.finish(exchange.span, exchange.status)

    async def _handle(self, exchange: _Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        check_head(scope)
        method, path, headers = scope["method"], scope["path"], scope["headers"]
        route = route_of(path)
        if route is None or route.service not in self._upstreams:
            raise NotFound("resource")
        try:
            admission = await self._gate.admit(route, method, path, scope["raw_path"], headers)
        except ServiceError:
            exchange.span = tracing.begin(method, route.service, path, None)
            raise
        principal = admission.principal if admission else None
        exchange.next_nonce = admission.next_nonce if admission else None
        # Only somebody we know may continue a trace: others could write into anybody's.
        sent = [value for name, value in headers if name == b"traceparent"] if principal else []
        exchange.span = tracing.begin(method, route.service, path, tracing.remote_context(sent))
        address = scope["client"][0] if scope["client"] else "unknown"
        caller = f"{principal.client_id} {principal.subject}" if principal else address
        exchange.allowance = self._rates.take(f"{route.service} {caller}")
        data = await _body(exchange, route, scope, receive)
        await self._forward(exchange, route, scope, data, address, send)

    async def _forward(
        self,
        exchange: _Exchange,
        route: Route,
        scope: Scope,
        data: bytes | AsyncIterator[bytes] | None,
        address: str,
        send: Send,
    ) -> None:
        assert exchange.span is not None
        incoming: Headers = scope["headers"]
        host = next(value for name, value in incoming if name == b"host")
        outgoing = request_headers(incoming, address, host, self._scheme)
        if parent := tracing.traceparent(exchange.span):
            outgoing.append(("traceparent", parent))
        length = declared_length(incoming)
        if length is not None and data is not None:
            outgoing.append(("content-length", str(length)))
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        url = URL(self._upstreams[route.service] + target.decode("latin-1"), encoded=True)
        try:
            async with self._client.request(
                scope["method"], url, headers=outgoing, data=data, allow_redirects=False
            ) as answer:
                exchange.body_read = True
                await self._answer(exchange, answer, send)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            log.warning("upstream down", service=route.service, error=type(error).__name__)
            raise UpstreamDown(f"{route.service} is starting or down. Try again.", retry_after=1) from error
        except aiohttp.ClientError as error:
            if exchange.body_failure is not None:
                raise exchange.body_failure from error
            log.warning("upstream failed", service=route.service, error=type(error).__name__)
            raise UpstreamFailed(route.service) from error

    async def _answer(self, exchange: _Exchange, answer: aiohttp.ClientResponse, send: Send) -> None:
        exchange.status = answer.status
        headers = response_headers(answer.raw_headers)
        headers.extend(self._rate_headers(exchange))
        if exchange.next_nonce is not None:
            headers.append((b"dpop-nonce", exchange.next_nonce.encode()))
        size = answer.content_length
        if size is not None and size <= WHOLE_ANSWER:
            body = await answer.read()
            exchange.started = True
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        exchange.started = True
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _refuse(
        self, exchange: _Exchange, error: ServiceError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if exchange.started:
            # Half an answer is out: returning without its end makes the server close the connection.
            log.warning("answer broken off", path=scope["path"], code=error.code)
            return
        exchange.status = error.status
        headers = dict(error.headers)
        for name, value in self._rate_headers(exchange):
            headers.setdefault(name.decode(), value.decode())
        if exchange.span is None:
            response = problem_response(error.status, error.code, error.detail, headers=headers)
        else:
            with trace.use_span(exchange.span):
                response = problem_response(error.status, error.code, error.detail, headers=headers)
        await response(scope, receive, send)

    def _rate_headers(self, exchange: _Exchange) -> Headers:
        left = exchange.allowance
        if left is None:
            return []
        return [
            (b"ratelimit-policy", self._rates.policy),
            (b"ratelimit", b'"default";r=%d;t=%d' % (left.remaining, left.reset_seconds)),
        ]


async def _body(
    exchange: _Exchange, route: Route, scope: Scope, receive: Receive
) -> bytes | AsyncIterator[bytes] | None:
    """The body to send on: JSON whole and checked, anything else as it arrives. None without one."""
    headers = scope["headers"]
    length = declared_length(headers)
    if length == 0:
        exchange.body_read = True
        return None
    upload = route.is_upload(scope["method"], scope["path"])
    counted = limited(receive, UPLOAD_LIMIT if upload else BODY_LIMIT, length)
    if upload or not _is_json(headers):
        return _chunks(exchange, counted)
    body = b"".join([chunk async for chunk in _chunks(exchange, counted)])
    if body:
        strict_json.parse(body)
    return body


async def _chunks(exchange: _Exchange, receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            message = await receive()
        except ServiceError as failure:
            exchange.body_failure = failure
            raise
        if message["type"] == "http.disconnect":
            exchange.body_failure = ClientGone()
            raise exchange.body_failure
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk
    exchange.body_read = True


def _is_json(headers: Headers) -> bool:
    """Whether the body is JSON; a body without a type is, as for the services."""
    for name, value in headers:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
            return media_type == b"application/json" or media_type.endswith(b"+json")
    return True
