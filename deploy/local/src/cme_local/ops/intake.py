"""`POST /v1/traces`: where every process of the stack sends its spans."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cme_local.ops import otlp
from cme_local.ops.store import TraceStore


def routes(store: TraceStore) -> list[Route]:
    """The intake over a store."""

    async def export(request: Request) -> Response:
        kind = otlp.PROTOBUF
        try:
            kind = otlp.media_type(request.headers.get("content-type", ""))
            body = otlp.inflate(await _bounded_body(request), request.headers.get("content-encoding", ""))
            rejected, reason = store.add(otlp.decode(body, kind))
        except otlp.RefusedError as refused:
            return Response(otlp.refusal(kind, refused), refused.status, media_type=kind)
        return Response(otlp.answer(kind, rejected, reason), media_type=kind)

    return [Route("/v1/traces", export, methods=["POST"])]


async def _bounded_body(request: Request) -> bytes:
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > otlp.MAX_BODY_BYTES:
            raise otlp.RefusedError(413, f"The body is over {otlp.MAX_BODY_BYTES} bytes")
    return bytes(chunks)
