"""One GET over a bare socket: an HTTP client library would cost the supervisor 20 MB of memory for a status code."""

import asyncio
from urllib.parse import urlsplit


async def status_of(url: str, wait_s: float = 2.0) -> int | None:
    """The status code of a GET on a loopback URL, or None when nobody answers in time."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(
                    f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                    "Accept: application/json\r\nConnection: close\r\n\r\n".encode()
                )
                status_line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    words = status_line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


async def accepts_connections(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    try:
        async with asyncio.timeout(2.0):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
