"""The connections to each service: kept, counted, and given on to who waits longest."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.edge.upstream_http import Answer, Connection, Content, Headers, PoolFull, Unreachable

#: Below the 5 s after which uvicorn closes an idle connection, so that no request meets a closing one.
KEEPALIVE_SECONDS = 4.0
CONNECT_SECONDS = 2.0
#: Connections to one service: what waits for a slow one takes none of another.
MOST_CONNECTIONS = 256


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
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

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

    def _kept(self) -> Connection | None:
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

    async def _another(self) -> Connection:
        """A new connection, or one that comes free when there are as many as there may be.

        Raises PoolFull or Unreachable.
        """
        waits = False
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                while waits := len(self._open) + self._connecting >= MOST_CONNECTIONS:
                    if (freed := await self._freed()) is not None:
                        return freed
                return await self._connect()
        except (OSError, TimeoutError) as error:
            raise (PoolFull if waits else Unreachable)(type(error).__name__) from error

    async def _freed(self) -> Connection | None:
        """The next connection that comes free, or None when one was closed."""
        waiting: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled():
                self._hand_on(waiting.result())
            raise

    async def _connect(self) -> Connection:
        loop, origin = asyncio.get_running_loop(), self.origin
        self._connecting += 1
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._release, loop), origin.host, origin.port, ssl=origin.tls
            )
        except BaseException:
            self._connecting -= 1
            self._hand_on(None)
            raise
        self._connecting -= 1
        self._open.add(connection)
        return connection

    def _release(self, connection: Connection) -> None:
        if not connection.closed:
            self._hand_on(connection)
            return
        self._open.discard(connection)
        with suppress(ValueError):
            self._idle.remove(connection)
        self._hand_on(None)

    def _hand_on(self, connection: Connection | None) -> None:
        """Give a free connection, or the place of a closed one, to whoever waits longest."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return
        if connection is not None:
            self._idle.append(connection)
