"""The last steps of a request: from the cache or to the service, and its answer back."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

import structlog
from cme_kit import deadlines
from cme_kit.problems import ServiceError
from starlette.types import Scope, Send

from gateway.edge.cache import Cache, Found, Stored, conditions
from gateway.edge.exchange import Exchange, Headers
from gateway.edge.freshness import directives
from gateway.edge.hygiene import request_headers, response_headers
from gateway.edge.upstream_http import Answer, UpstreamError
from gateway.edge.upstreams import UpstreamFailed, Upstreams

#: An answer up to this size is sent in one piece, and may be kept.
WHOLE_ANSWER = 64 * 1024
#: So that the service's own refusal arrives before ours.
MARGIN_SECONDS = 0.05
READS = frozenset({"GET", "HEAD"})
SAFE = READS | {"OPTIONS"}
_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})
_PROBLEM_CODE = re.compile(rb'"code":\s*"([a-z_]{1,60})"')
log = structlog.get_logger(__name__)


class NotCached(ServiceError):
    """The caller wants it from the cache or not at all (RFC 9111 section 5.2.1.7)."""

    code, status = "not_cached", 504


class Forwarding:
    """Answers admitted requests."""

    def __init__(self, upstreams: Upstreams, cache: Cache, scheme: str) -> None:
        """`scheme` is that of the public address."""
        self._upstreams = upstreams
        self._cache = cache
        self._scheme = scheme.encode()

    async def __call__(self, exchange: Exchange, scope: Scope, host: bytes, address: str, send: Send) -> None:
        """Answer from the cache or from the service. `host` is the name that was asked, `address` the caller's."""
        api, route = exchange.api, exchange.route
        assert api is not None
        assert route is not None
        outgoing = self._outgoing(exchange, scope, host, address)
        query = scope["query_string"]
        target = exchange.raw_path + (b"?" + query if query else b"")
        # A service may put the name that was asked into its answer.
        key = b" ".join((api.prefix.encode(), host, target)) if route.cache else b""
        found = self._look(exchange, scope["method"], key, outgoing)
        if found is not None and found.stored is not None:
            if found.is_fresh:
                await self._send_stored(exchange, found.stored, found, "hit", send)
                return
            outgoing = [pair for pair in outgoing if pair[0] not in _CONDITIONS] + conditions(found.stored)
        upstream = api.upstreams[route.service]
        answer = await self._upstreams.ask(upstream, scope["method"], target, outgoing, exchange.body)
        try:
            await self._answer(exchange, answer, found, send)
        except UpstreamError as error:
            log.warning("upstream failed", service=route.service, error=type(error).__name__)
            raise UpstreamFailed(route.service) from error
        finally:
            answer.close()
        if route.cache and scope["method"] not in SAFE and answer.status < HTTPStatus.BAD_REQUEST:
            self._cache.forget(key)

    def _outgoing(self, exchange: Exchange, scope: Scope, host: bytes, address: str) -> Headers:
        assert exchange.span is not None
        incoming: Headers = scope["headers"]
        outgoing = request_headers(incoming, address, host, self._scheme)
        outgoing.append((b"traceparent", exchange.span.traceparent.encode()))
        left = exchange.deadline - asyncio.get_running_loop().time() - MARGIN_SECONDS
        outgoing.append((deadlines.HEADER, b"%d" % max(1, int(left * 1000))))
        return outgoing

    def _look(self, exchange: Exchange, method: str, key: bytes, outgoing: Headers) -> Found | None:
        """What the cache says; None for a request that it does not serve. Raises NotCached."""
        if exchange.place is not None or method not in READS or exchange.route is None or not exchange.route.cache:
            return None
        asked: dict[bytes, bytes] = {}
        for name, value in outgoing:
            asked[name] = asked[name] + b", " + value if name in asked else value
        if b"range" in asked:
            return None
        found = self._cache.find(key, asked)
        if not found.is_fresh and b"only-if-cached" in directives(asked.get(b"cache-control", b"")):
            raise NotCached("There is no fresh answer in the cache. Ask without only-if-cached.")
        # What answers HEAD says nothing of the body, so it cannot stand for a GET.
        return found if method == "GET" or found.is_fresh else None

    async def _answer(self, exchange: Exchange, answer: Answer, found: Found | None, send: Send) -> None:
        headers = response_headers(answer.headers)
        if found is not None and found.stored is not None and answer.status == HTTPStatus.NOT_MODIFIED:
            stored = self._cache.freshen(found, headers)
            return await self._send_stored(exchange, stored, found, "fwd=stale; fwd-status=304", send)
        exchange.status = answer.status
        size = answer.content_length
        if size is None or size > WHOLE_ANSWER:
            return await _stream(exchange, answer, headers, send)
        body = await answer.read()
        if found is not None:
            stored_now = self._cache.keep(found, answer.status, headers, body)
            note = f"fwd={found.reason}" + ("; stored" if stored_now else "")
            if stored_now is not None and found.stored is not None:
                return await self._send_stored(exchange, stored_now, found, note, send)
            headers.append((b"cache-status", f"cme; {note}".encode()))
        if answer.status >= HTTPStatus.BAD_REQUEST and (code := _PROBLEM_CODE.search(body)):
            exchange.problem = code[1].decode()
        return await _whole(exchange, headers, body, send)

    async def _send_stored(self, exchange: Exchange, stored: Stored, found: Found, note: str, send: Send) -> None:
        answer = self._cache.answer(stored, found.asked, note)
        exchange.status = answer.status
        await _whole(exchange, answer.headers, answer.body, send)


async def _whole(exchange: Exchange, headers: Headers, body: bytes, send: Send) -> None:
    exchange.started = True
    own = exchange.own_headers()
    await send({"type": "http.response.start", "status": exchange.status, "headers": headers + own})
    await send({"type": "http.response.body", "body": body})


async def _stream(exchange: Exchange, answer: Answer, headers: Headers, send: Send) -> None:
    exchange.started = True
    own = exchange.own_headers()
    await send({"type": "http.response.start", "status": exchange.status, "headers": headers + own})
    async for chunk in answer.chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
