"""HTTP/1.1 to the services: kept connections, bytes in and bytes out.

aiohttp's client costs 80 µs of CPU for a request, two fifths of all that the edge does for it; this costs 25 µs. It does
what a reverse proxy needs and nothing else: no redirects, no cookies, no decompression, no retries.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

#: Below the 5 s after which uvicorn closes an idle connection, so that no request meets a closing one.
KEEPALIVE_SECONDS = 4.0
CONNECT_SECONDS = 2.0
#: Connections to one service: what waits for a slow one takes none of another.
MOST_CONNECTIONS = 256
#: Bytes of an answer that wait here for a slow caller before the service has to wait.
HIGH_WATER = 256 * 1024
HEADERS_LIMIT = 64 * 1024
INTERIM = 200
BODILESS = frozenset({204, 304})
Headers = list[tuple[bytes, bytes]]
Content = bytes | AsyncIterator[bytes] | None


class UpstreamError(Exception):
    """A service did not answer as it should."""


class Unreachable(UpstreamError):
    """No connection could be made, so nothing was sent."""


class Disconnected(UpstreamError):
    """The service hung up before it answered; whether it did what was asked is not known."""


class BrokenAnswer(UpstreamError):
    """What came is no HTTP, or broke off."""


class Answer:
    """A service's answer: its head, and its body as it comes."""

    __slots__ = ("_chunks", "_connection", "_waiting", "complete", "content_length", "failure", "headers", "status")

    def __init__(self, connection: _Connection) -> None:
        self._connection: _Connection | None = connection
        self._chunks: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: Headers = []
        #: None when the service does not say it before.
        self.content_length: int | None = None
        self.complete = False
        self.failure: UpstreamError | None = None

    async def read(self) -> bytes:
        """The whole body. Raises BrokenAnswer."""
        if self.complete and len(self._chunks) == 1:
            return self._chunks.popleft()
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises BrokenAnswer."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                if self._connection is not None:
                    self._connection.consumed(len(chunk))
                yield chunk
            if self.complete:
                return
            if self.failure is not None:
                raise self.failure
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def close(self) -> None:
        """Nobody reads on: what is not complete is broken off."""
        if not self.complete and self._connection is not None:
            self._connection.abort()

    def add(self, chunk: bytes) -> None:
        """A part of the body has come."""
        self._chunks.append(chunk)
        self._wake()

    def end(self, failure: UpstreamError | None = None) -> None:
        """The last part has come, or none will."""
        self.complete, self.failure, self._connection = failure is None, failure, None
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Connection(asyncio.Protocol):
    """One connection to a service, with one request on its way at most."""

    def __init__(self, release: Callable[[_Connection], None], loop: asyncio.AbstractEventLoop) -> None:
        self._release = release
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._head: asyncio.Future[Answer] | None = None
        self._head_bytes = 0
        self._unread = 0
        self._paused = False
        self._writable: asyncio.Future[None] | None = None
        self._bodiless = False
        self._until_close = False
        self._all_sent = True
        self.closed = False
        self.idle_since = 0.0

    # -- what a request does

    async def ask(self, head: bytes, content: Content, *, chunked: bool, bodiless: bool) -> Answer:
        """Send a request; the answer once its head is here. Raises Disconnected, BrokenAnswer, or what `content` raises."""
        if self.closed:
            raise Disconnected("the service hung up")
        self._bodiless, self._until_close, self._head_bytes = bodiless, False, 0
        answer = self._answer = Answer(self)
        head_came: asyncio.Future[Answer] = self._loop.create_future()
        self._head = head_came
        assert self._transport is not None
        try:
            if content is None or isinstance(content, bytes):
                self._all_sent = True
                self._transport.write(head + content if content else head)
            else:
                self._all_sent = False
                self._transport.write(head)
                await self._send(content, chunked=chunked)
            return await head_came
        except BaseException:
            # When the answer came in this very moment, the connection may be another request's already.
            if self._answer is answer:
                self.abort()
            raise

    async def _send(self, content: AsyncIterator[bytes], *, chunked: bool) -> None:
        assert self._transport is not None
        assert self._head is not None
        async for chunk in content:
            if self._head.done():
                # It has answered already; what follows does not interest it.
                return
            self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if self._writable is not None:
                await asyncio.wait((self._writable, self._head), return_when=asyncio.FIRST_COMPLETED)
        if chunked and not self._head.done():
            self._transport.write(b"0\r\n\r\n")
        self._all_sent = True

    def consumed(self, size: int) -> None:
        """The caller has taken a part of the body."""
        self._unread -= size
        if self._paused and self._unread <= HIGH_WATER and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # -- what the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            # Nobody asked: what comes now would be taken for the answer to the next request.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(BrokenAnswer("the service does not speak HTTP/1.1"))
            self.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and self._until_close and exc is None:
            self._complete()
        elif self._answer is not None:
            self._fail(Disconnected("the service hung up"))
        self.resume_writing()
        self._release(self)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None:
            writable, self._writable = self._writable, None
            if not writable.done():
                writable.set_result(None)

    # -- what the parser says

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._answer is None or self._head_bytes > HEADERS_LIMIT:
            raise BrokenAnswer("more headers than there should be")
        if self._answer.status == 0:  # afterwards these are trailers
            self._answer.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        answer, status = self._answer, self._parser.get_status_code()
        assert answer is not None
        if status < INTERIM:
            answer.headers.clear()
            return
        answer.status = status
        chunked = False
        for name, value in answer.headers:
            if name == b"content-length":
                answer.content_length = int(value)
            elif name == b"transfer-encoding":
                chunked = True
        if status in BODILESS:
            answer.headers = [pair for pair in answer.headers if pair[0] != b"content-length"]
        if self._bodiless or status in BODILESS:
            answer.content_length = 0
        elif answer.content_length is None and not chunked:
            self._until_close = True
        assert self._head is not None
        if not self._head.done():
            self._head.set_result(answer)
        if self._bodiless:
            # The parser waits for the body that the head describes; the next answer gets a new one.
            keep = self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)
            self._complete(keep=keep)

    def on_body(self, body: bytes) -> None:
        assert self._answer is not None
        self._unread += len(body)
        if self._unread > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._answer.add(body)

    def on_message_complete(self) -> None:
        if self._answer is not None and self._answer.status:
            self._complete(keep=self._parser.should_keep_alive())

    def _complete(self, *, keep: bool = False) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        answer.end()
        self._unread = 0
        if not keep or not self._all_sent or self.closed:
            self.abort()
            return
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self.idle_since = self._loop.time()
        self._release(self)

    def _fail(self, failure: UpstreamError) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if self._head is not None and not self._head.done():
            self._head.set_exception(failure)
        else:
            answer.end(BrokenAnswer("the answer broke off"))


@dataclass(frozen=True)
class Origin:
    """Where a service is."""

    host: str
    port: int
    #: In front of every target.
    path: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of a base URL."""
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls)

    @property
    def host_header(self) -> bytes:
        """What goes into `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.tls else 80)
        return (host if usual else f"{host}:{self.port}").encode()


class Pool:
    """The connections to one service."""

    def __init__(self, url: str) -> None:
        self.origin = Origin.of(url)
        self._host = self.origin.host_header
        self._path = self.origin.path.encode()
        self._idle: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[_Connection | None]] = deque()

    async def ask(self, method: bytes, target: bytes, headers: Headers, content: Content, length: int | None) -> Answer:
        """The answer to a request, once its head is here; `length` is that of the content, None when it is not known.

        Raises UpstreamError, or what `content` raises.
        """
        if isinstance(content, bytes):
            length = len(content)
        chunked = content is not None and length is None
        lines = [method, b" ", self._path, target, b" HTTP/1.1\r\nhost: ", self._host, b"\r\n"]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif content is not None:
            lines.append(b"content-length: %d\r\n" % length if length is not None else b"")
        lines.append(b"\r\n")
        connection = self._kept() or await self._another()
        return await connection.ask(b"".join(lines), content, chunked=chunked, bodiless=method == b"HEAD")

    async def close(self) -> None:
        """Close every connection and wait until they are."""
        while self._open:
            for connection in self._open:
                connection.abort()
            await asyncio.sleep(0)

    def _kept(self) -> _Connection | None:
        """The connection that was used last: the others grow old and are closed."""
        oldest_good = asyncio.get_running_loop().time() - KEEPALIVE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            if connection.idle_since > oldest_good:
                return connection
            connection.abort()
        return None

    async def _another(self) -> _Connection:
        """A new connection, or one that comes free when there are as many as there may be. Raises Unreachable."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                while len(self._open) + self._connecting >= MOST_CONNECTIONS:
                    if (freed := await self._freed()) is not None:
                        return freed
                return await self._connect()
        except (OSError, TimeoutError) as error:
            raise Unreachable(type(error).__name__) from error

    async def _freed(self) -> _Connection | None:
        """The next connection that comes free, or None when one was closed."""
        waiting: asyncio.Future[_Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled():
                self._hand_on(waiting.result())
            raise

    async def _connect(self) -> _Connection:
        loop, origin = asyncio.get_running_loop(), self.origin
        self._connecting += 1
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self._release, loop), origin.host, origin.port, ssl=origin.tls
            )
        except BaseException:
            self._connecting -= 1
            self._hand_on(None)
            raise
        self._connecting -= 1
        self._open.add(connection)
        return connection

    def _release(self, connection: _Connection) -> None:
        if not connection.closed:
            self._hand_on(connection)
            return
        self._open.discard(connection)
        with suppress(ValueError):
            self._idle.remove(connection)
        self._hand_on(None)

    def _hand_on(self, connection: _Connection | None) -> None:
        """Give a free connection, or the place of a closed one, to whoever waits longest."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return
        if connection is not None:
            self._idle.append(connection)
