"""The proxy does to a connection what its methods say."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from cme_kit.testing import free_port

from .proxy import Proxy

SOON = 0.3


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that sends back what it gets."""
    port = free_port()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    yield port
    server.close()
    await server.wait_closed()


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[Proxy]:
    async with Proxy(free_port(), echo, random.Random(1)).serving() as serving:
        yield serving


class Line:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: bytes) -> bytes:
        self.writer.write(text)
        return await self.reader.readexactly(len(text))


@pytest.fixture
async def line(proxy: Proxy) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield Line(reader, writer)
    writer.close()


async def test_it_forwards_both_ways(line: Line) -> None:
    assert await line.say(b"hello") == b"hello"


async def test_a_cut_connection_is_reset_and_a_new_one_is_served(proxy: Proxy, line: Line) -> None:
    await line.say(b"hello")

    proxy.cut()

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await line.say(b"again")
    again = Line(*await asyncio.open_connection("127.0.0.1", proxy.port))
    assert await again.say(b"new") == b"new"
    again.writer.close()
    assert proxy.felt == 1


async def test_a_refusing_proxy_resets_new_connections_until_it_is_healed(proxy: Proxy) -> None:
    proxy.refuse()

    refused = Line(*await asyncio.open_connection("127.0.0.1", proxy.port))
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await refused.say(b"anybody?")
    proxy.heal()

    served = Line(*await asyncio.open_connection("127.0.0.1", proxy.port))
    assert await served.say(b"hello") == b"hello"
    served.writer.close()


async def test_a_black_hole_delivers_late_what_was_sent_into_it(proxy: Proxy, line: Line) -> None:
    await line.say(b"hello")
    proxy.black_hole()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.say(b"late"), SOON)
    proxy.heal()

    assert await line.reader.readexactly(4) == b"late"


async def test_a_lost_reply_leaves_the_request_delivered(proxy: Proxy, line: Line) -> None:
    await line.say(b"hello")
    proxy.lose_replies()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.say(b"done?"), SOON)
    proxy.cut()

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await line.reader.readexactly(5)


async def test_the_near_side_of_a_half_open_connection_is_not_told(proxy: Proxy, line: Line) -> None:
    await line.say(b"hello")

    proxy.half_open()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.say(b"anybody?"), SOON)
    proxy.heal()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await line.say(b"anybody?")


async def test_delayed_chunks_keep_their_order(proxy: Proxy, line: Line) -> None:
    proxy.delay(0.02, 0.02)

    for number in range(10):
        line.writer.write(b"%d" % number)
        await asyncio.sleep(0.002)

    assert await line.reader.readexactly(10) == b"0123456789"
