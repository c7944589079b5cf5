"""HTTP/1.1 to a service: what it may answer, how it may hang up, and how many connections it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from cme_kit.testing import free_port
from gateway.edge import pools
from gateway.edge.pools import Pool
from gateway.edge.upstream_http import BrokenAnswer, Disconnected, PoolFull, Unreachable, UpstreamError

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """Answers each connection by a coroutine of the test."""

    def __init__(self, answer: Streams) -> None:
        self._answer = answer
        self.connections = 0
        self.heads: list[bytes] = []

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """The next request's head."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def pool_to(answer: Streams) -> AsyncIterator[tuple[Pool, Service]]:
    service = Service(answer)
    server = await asyncio.start_server(service, "127.0.0.1", 0)
    pool = Pool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base")
    try:
        yield pool, service
    finally:
        await pool.close()
        server.close()


def always(answer: bytes, *, keep: bool = True) -> Streams:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer)
            await writer.drain()
            if not keep:
                return

    return answering


async def get(pool: Pool, method: bytes = b"GET") -> tuple[int, bytes]:
    answer = await pool.ask(method, b"/x", [(b"a", b"b")], None, 0)
    return answer.status, await answer.read()


async def test_a_connection_is_used_again() -> None:
    async with pool_to(always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as (pool, service):
        answers = [await get(pool) for _ in range(5)]

    assert answers == [(200, b"ok")] * 5
    assert service.connections == 1


async def test_a_request_is_what_was_asked_for() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await service.head(reader)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with pool_to(answering) as (pool, service):
        await pool.ask(b"GET", b"/x?y=%20", [(b"a", b"b"), (b"a", b"c")], None, 0)
        port = pool.origin.port

    assert service.heads == [b"GET /base/x?y=%%20 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\na: b\r\na: c\r\n\r\n" % port]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nay!\r\n0\r\nx-trailer: 1\r\n\r\n",
            b"okay!",
        ),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_every_framing_is_read_to_its_end(answer: bytes, body: bytes) -> None:
    async with pool_to(always(answer)) as (pool, service):
        answers = [await get(pool) for _ in range(3)]

    assert answers == [(200, body)] * 3
    assert service.connections == 1


async def test_trailers_are_no_headers() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nset-cookie: a\r\n\r\n"
    async with pool_to(always(answer)) as (pool, _):
        found = await pool.ask(b"GET", b"/", [], None, 0)
        await found.read()

    assert [name for name, _ in found.headers] == [b"transfer-encoding"]


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async with pool_to(always(b"HTTP/1.0 200 OK\r\n\r\nall of it", keep=False)) as (pool, service):
        answers = [await get(pool) for _ in range(2)]

    assert answers == [(200, b"all of it")] * 2
    assert service.connections == 2


@pytest.mark.parametrize("framing", [b"Content-Length: 5000", b"Transfer-Encoding: chunked"])
async def test_head_is_answered_without_a_body_on_a_connection_that_goes_on(framing: bytes) -> None:
    async with pool_to(always(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")) as (pool, service):
        answers = [await get(pool, b"HEAD") for _ in range(3)]

    assert answers == [(200, b"")] * 3
    assert service.connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_what_has_no_body_announces_none(status: bytes) -> None:
    async with pool_to(always(b"HTTP/1.1 " + status + b"\r\nContent-Length: 7\r\n\r\n")) as (pool, service):
        answers = [await pool.ask(b"GET", b"/", [], None, 0) for _ in range(2)]

    assert [answer.headers for answer in answers] == [[], []]
    assert service.connections == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Disconnected),
        (b"HTTP/1.1 200 OK\r\nContent-", Disconnected),
        (b"SSH-2.0-OpenSSH\r\n\r\n", BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", BrokenAnswer),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n", BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", BrokenAnswer),
    ],
)
async def test_what_is_no_answer_is_an_error(answer: bytes, error: type[UpstreamError]) -> None:
    async with pool_to(always(answer, keep=False)) as (pool, _):
        with pytest.raises(error):
            await pool.ask(b"GET", b"/", [], None, 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nno size\r\n",
    ],
)
async def test_half_a_body_is_not_taken_for_a_whole_one(answer: bytes) -> None:
    async with pool_to(always(answer, keep=False)) as (pool, _):
        found = await pool.ask(b"GET", b"/", [], None, 0)
        with pytest.raises(BrokenAnswer):
            await found.read()


async def test_bytes_that_nobody_asked_for_answer_no_other_request() -> None:
    twice = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2
    async with pool_to(always(twice)) as (pool, service):
        answers = [await get(pool) for _ in range(3)]

    assert answers == [(200, b"ok")] * 3
    assert service.connections == 3


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async with pool_to(always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", keep=False)) as (pool, service):
        await get(pool)
        await asyncio.sleep(0.05)

        assert await get(pool) == (200, b"ok")
    assert service.connections == 2


async def test_a_large_answer_waits_for_who_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    size, sent = 64 * 2**20, 0

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 2**16)
            sent += 2**16
            await writer.drain()
        await reader.read()

    async with pool_to(answering) as (pool, _):
        answer = await pool.ask(b"GET", b"/", [], None, 0)
        await asyncio.sleep(0.3)
        waiting = sent
        received = sum([len(chunk) async for chunk in answer.chunks()])

    assert waiting < size // 2
    assert received == size


async def test_chunks_are_sent_as_they_come_and_framed() -> None:
    bodies: list[bytes] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"chunked" in await service.head(reader):
            bodies.append(await reader.readuntil(b"0\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def parts() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c" * 20

    async with pool_to(answering) as (pool, service):
        for _ in range(2):
            await (await pool.ask(b"POST", b"/", [], parts(), None)).read()

    assert bodies == [b"2\r\nab\r\n14\r\n" + b"c" * 20 + b"\r\n0\r\n\r\n"] * 2
    assert service.connections == 1


async def test_a_service_that_answers_before_it_has_all_is_heard_and_not_used_again() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await service.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
        await writer.drain()
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 2**16
            await asyncio.sleep(0)

    async with pool_to(answering) as (pool, service):
        for _ in range(2):
            answer = await pool.ask(b"POST", b"/", [], endless(), None)
            assert (answer.status, await answer.read()) == (413, b"no!")

    assert service.connections == 2


async def test_what_fails_while_it_is_sent_breaks_the_connection_off() -> None:
    class Lost(Exception):
        pass

    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise Lost

    async with pool_to(always(b"")) as (pool, service):
        with pytest.raises(Lost):
            await pool.ask(b"PUT", b"/", [], parts(), 9)
        with pytest.raises(Lost):
            await pool.ask(b"PUT", b"/", [], parts(), 9)

    assert service.connections == 2


async def test_who_gives_up_takes_no_connection_from_the_next() -> None:
    slow = asyncio.Event()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await service.head(reader)
        if service.connections == 1:
            await slow.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with pool_to(answering) as (pool, service):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await get(pool)

        assert await get(pool) == (200, b"ok")
        slow.set()
    assert service.connections == 2


async def test_more_requests_than_connections_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_CONNECTIONS", 4)

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await service.head(reader):
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with pool_to(answering) as (pool, service):
        answers = await asyncio.gather(*(get(pool) for _ in range(40)))

    assert answers == [(200, b"ok")] * 40
    assert service.connections == 4


async def test_places_of_closed_connections_are_given_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_CONNECTIONS", 2)
    closing = always(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", keep=False)

    async with pool_to(closing) as (pool, service):
        answers = await asyncio.gather(*(get(pool) for _ in range(10)))

    assert answers == [(200, b"ok")] * 10
    assert service.connections == 10


async def test_who_waits_too_long_for_a_connection_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(pools, "CONNECT_SECONDS", 0.1)
    ends = asyncio.Event()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await service.head(reader)
        await ends.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with pool_to(answering) as (pool, service):
        first = asyncio.create_task(get(pool))
        await asyncio.sleep(0.05)
        with pytest.raises(PoolFull):
            await get(pool)
        ends.set()

        assert await first == (200, b"ok")


async def test_nobody_there_is_unreachable() -> None:
    pool = Pool(f"http://127.0.0.1:{free_port()}")

    for _ in range(3):
        with pytest.raises(Unreachable):
            await get(pool)
