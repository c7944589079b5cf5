"""A TCP proxy whose connections can be cut, delayed, silenced or half-opened while they are in use."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 64 * 1024
#: Chunks that one direction of a connection holds back before its sender is held back as well.
HELD = 256


@dataclass(eq=False)
class _Connection:
    """Two sockets and the two directions between them."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def abort(self) -> None:
        self.abort_server()
        self.client.transport.abort()

    def abort_server(self) -> None:
        self.server.transport.abort()


class Proxy:
    """Listens on a port and forwards to another one; `heal` ends every fault."""

    def __init__(self, port: int, target: int, dice: random.Random) -> None:
        self.port = port
        self.target = target
        self._dice = dice
        self._connections: set[_Connection] = set()
        self._requests_pass = asyncio.Event()
        self._replies_pass = asyncio.Event()
        self._delay = self._jitter = 0.0
        self._refusing = False
        #: How many connections have felt a fault: an experiment asserts that there were some.
        self.felt = 0
        self.heal()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Proxy]:
        """Listen inside the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=200)
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    @property
    def in_use(self) -> bool:
        """Whether a connection is open."""
        return bool(self._connections)

    def cut(self) -> None:
        """Reset every connection that is open now (RST); new ones are served."""
        self.felt += len(self._connections)
        for connection in list(self._connections):
            connection.abort()

    def refuse(self) -> None:
        """Cut, and reset new connections as well."""
        self._refusing = True
        self.cut()

    def delay(self, seconds: float, jitter: float) -> None:
        """Let everything arrive later by `seconds`, give or take `jitter`; the order is kept."""
        self.felt += len(self._connections)
        self._delay, self._jitter = seconds, jitter

    def black_hole(self) -> None:
        """Deliver nothing any more. What is sent meanwhile arrives after healing, as TCP sends it again."""
        self.felt += len(self._connections)
        self._requests_pass.clear()
        self._replies_pass.clear()

    def lose_replies(self) -> None:
        """Deliver requests and hold back their replies: who asks cannot know what became of it."""
        self.felt += len(self._connections)
        self._replies_pass.clear()

    def half_open(self) -> None:
        """The far side of each connection is gone, and the near side is not told."""
        self.felt += len(self._connections)
        self._replies_pass.clear()
        for connection in list(self._connections):
            connection.abort_server()

    def heal(self) -> None:
        """Serve as if nothing had been; connections that had been half-opened end now."""
        self._delay = self._jitter = 0.0
        self._refusing = False
        self._requests_pass.set()
        self._replies_pass.set()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.felt += 1
            to_client.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # the target is down: its client sees that as a reset
            to_client.transport.abort()
            return
        connection = _Connection(to_client, to_server)
        self._connections.add(connection)
        directions = ((from_client, to_server, self._requests_pass), (from_server, to_client, self._replies_pass))
        try:
            await asyncio.gather(*(self._direction(*direction) for direction in directions))
        except OSError:
            pass  # one side reset the connection: the other side is reset as well
        finally:
            connection.abort()
            self._connections.discard(connection)

    async def _direction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event
    ) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD)
        forwarding = asyncio.create_task(self._forward(held, writer, passes))
        due = 0.0
        try:
            while chunk := await reader.read(CHUNK):
                late = self._delay + self._dice.uniform(-self._jitter, self._jitter)
                due = max(due, asyncio.get_running_loop().time() + late)
                await held.put((due, chunk))
            await held.put((due, b""))
            await forwarding
        finally:
            forwarding.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await forwarding

    async def _forward(
        self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, passes: asyncio.Event
    ) -> None:
        while True:
            due, chunk = await held.get()
            wait = due - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            await passes.wait()
            if not chunk:
                with suppress(OSError):
                    writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()
