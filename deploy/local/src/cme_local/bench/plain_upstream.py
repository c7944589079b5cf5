"""What the gateway leads to when it alone is measured: 100 bytes of JSON at the least cost."""

from typing import Any

BODY = b'{"id":"app_01jb6x9v3efk7ta1k5h7e3x2wq","state":"submitted","submitted_at":"2026-11-27T10:00:00Z","x":1}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer every request with the same."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
