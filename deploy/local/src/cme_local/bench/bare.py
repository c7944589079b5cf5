"""The floor: an application that does nothing, in as many processes as there are deployables."""

from typing import Any


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer 200 to every request."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
