"""A request's body on its way: JSON whole and checked, anything else as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from cme_kit import strict_json
from cme_kit.problems import ServiceError
from starlette.types import Message, Receive, Scope

from gateway.edge.limits import limited
from gateway.edge.routes import BODY_LIMIT, UPLOAD_LIMIT, Route

Headers = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The caller hung up while sending."""


class RequestTimeout(ServiceError):
    """The caller took too long to send the request."""

    code, status = "request_timeout", 408


class Body:
    """What to send on, and how far it has come."""

    __slots__ = ("content", "length", "read")

    def __init__(self, length: int | None) -> None:
        #: Nothing, all of it, or what arrives.
        self.content: bytes | AsyncIterator[bytes] | None = None
        #: Bytes, None when the caller sends chunks without saying how many.
        self.length = length
        #: Whether the caller has sent all of it.
        self.read = False

    @property
    def can_be_repeated(self) -> bool:
        """Whether it can be sent a second time."""
        return self.content is None or isinstance(self.content, bytes)

    async def chunks(self, receive: Receive) -> AsyncIterator[bytes]:
        """The parts as they arrive. Raises ClientGone or what `receive` raises."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self.read = True


async def take(body: Body, route: Route, path: str, scope: Scope, receive: Receive) -> None:
    """Read what has to be whole, and leave the rest to be sent on as it arrives. Raises ServiceError or ClientGone."""
    upload = route.is_upload(scope["method"], path)
    counted = limited(receive, UPLOAD_LIMIT if upload else BODY_LIMIT, body.length)
    if upload or not _is_json(scope["headers"]):
        body.content = body.chunks(counted)
        return
    content = b"".join([chunk async for chunk in body.chunks(counted)])
    if content:
        strict_json.parse(content)
    body.content = content


async def whole(receive: Receive, length: int | None, seconds: float) -> Receive:
    """Read a body for an application that waits for it without end, and hand it on in one piece.

    Raises RequestTimeout after `seconds`, BodyTooLarge, or ClientGone.
    """
    body = Body(length)
    try:
        async with asyncio.timeout(seconds):
            content = b"".join([chunk async for chunk in body.chunks(limited(receive, BODY_LIMIT, length))])
    except TimeoutError as error:
        raise RequestTimeout("The body did not arrive in time.") from error
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return again


def _is_json(headers: Headers) -> bool:
    """Whether the body is JSON; a body without a type is, as for the services."""
    for name, value in headers:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
            return media_type == b"application/json" or media_type.endswith(b"+json")
    return True
