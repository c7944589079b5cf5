"""HTTP/1.1 as it comes in: uvicorn's protocol, which waits for ever, keeps any number of headers and refuses in plain text."""

from __future__ import annotations

import asyncio
import resource
from http import HTTPStatus

import httptools
from cme_kit.problems import ServiceError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.edge.bodies import RequestTimeout
from gateway.edge.limits import (
    HEADERS_LIMIT,
    METHODS,
    TARGET_LIMIT,
    HeadersTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    TargetTooLong,
)
from gateway.edge.tracing import Spans

#: What the parser takes before it stops reading; what is over the limits of the API is refused later, with figures.
SPARE = 2
#: A body that goes on after its answer is read to its end, so that the client sees the answer, up to this many bytes.
LINGER_BYTES = 8 * 2**20
#: Files and connections besides those of clients.
RESERVED_FILES = 300
#: Headers that offer another protocol, and what `Connection` calls them.
OFFERS = frozenset({b"upgrade", b"http2-settings"})


_NOWHERE = Spans(None)


class StrictHttp(HttpToolsProtocol):
    """One connection of a client."""

    #: For a request's head to arrive, from its first byte; for the first byte of a new connection too.
    HEAD_SECONDS = 10.0
    #: Connections at once.
    MOST_CONNECTIONS = max(100, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES)

    _in_head = False
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _lingering = 0
    _method = b""
    _refusal: ServiceError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > self.MOST_CONNECTIONS:
            busy = ServiceError("There are too many connections. Try again in a moment.", headers={"Retry-After": "5"})
            busy.code, busy.status = "too_many_connections", HTTPStatus.SERVICE_UNAVAILABLE
            self._refuse(busy)
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a client."""
        self._unset_keepalive_if_required()
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(self._without_offer() + data[offer.args[0] :])
        except httptools.HttpParserError:
            refusal, self._refusal = self._refusal, None
            self._refuse(refusal or MalformedRequest("This is no valid HTTP request (RFC 9112)."))
            return
        if self._in_head or self.cycle is None or self.cycle.response_complete:
            self._await_head()
        else:
            self._stop_waiting()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head, self._head_bytes, self._lingering = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        super().on_url(url)
        if len(self.url) > SPARE * TARGET_LIMIT:
            self._stop_parsing(TargetTooLong(f"Path and query may have {TARGET_LIMIT} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or one of the trailers after a chunked body, which nobody reads."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > SPARE * HEADERS_LIMIT:
            self._stop_parsing(HeadersTooLarge(f"Headers may have {HEADERS_LIMIT} bytes in all."))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: the application is called."""
        self._in_head = False
        self._method = self.parser.get_method()
        if self._method.decode("ascii") not in METHODS:
            self._stop_parsing(MethodNotAllowed())
        if not self.url.startswith(b"/"):
            self._stop_parsing(
                MalformedRequest("The request target is the path: send the host in the Host header only.")
            )
        if self.parser.should_upgrade():
            # The parser stops here and takes the body for another protocol's; it gets the head again without the offer.
            self._in_head = True
            return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self._in_head:
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        super().on_body(body)
        if self.cycle.response_complete:
            self._lingering += len(body)
            if self._lingering > LINGER_BYTES:
                self.transport.close()

    def _without_offer(self) -> bytes:
        """The head without the offer of another protocol, which is not taken (RFC 9110 section 7.8).

        Java's client makes one with each request.
        """
        lines = [b"%b %b HTTP/1.1\r\n" % (self._method, self.url)]
        for name, value in self.headers:
            if name == b"connection":
                kept = [option for option in value.split(b",") if option.strip().lower() not in OFFERS]
                lines.append(b"connection: %b\r\n" % b",".join(kept))
            elif name not in OFFERS:
                lines.append(b"%b: %b\r\n" % (name, value))
        return b"".join([*lines, b"\r\n"])

    def _should_upgrade(self) -> bool:
        return False

    def _stop_parsing(self, refusal: ServiceError) -> None:
        self._refusal = refusal
        raise refusal

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.HEAD_SECONDS, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(RequestTimeout("The head of the request did not arrive in time."))
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        """Answer for the application, which sees nothing of it, and close."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or self.pipeline:
                # Another request of this connection is being answered: nothing may come between its bytes.
                self.transport.close()
                return
            # The application has only seen the head: for it the client is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        # No span: the method and the path may be what is wrong, and who floods us would fill the trace store.
        response = _NOWHERE.begin("", "", "", None).problem(error, error.headers)
        lines = [STATUS_LINE[error.status]]
        for name, value in (*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")):
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(response.body)]))
        self.transport.close()
