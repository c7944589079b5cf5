"""OTLP/HTTP: decoding and answering trace exports (OTLP specification 1.x, section OTLP/HTTP)."""

import base64
import binascii
import json
import zlib
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DECODED_BYTES = 16 * 1024 * 1024

# The OTLP/JSON encoding writes these bytes fields in hex, where ProtoJSON would use base64.
_HEX_FIELDS = ("traceId", "spanId", "parentSpanId")
_RPC_CODES = {400: 3, 413: 8, 415: 3}


class RefusedError(Exception):
    """An export that is answered with an error: HTTP status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def media_type(content_type: str) -> str:
    """The media type without parameters; refuses what is neither protobuf nor JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        raise RefusedError(415, f"Content-Type must be {PROTOBUF} or {JSON}")
    return kind


def inflate(body: bytes, encoding: str) -> bytes:
    """Undo the content encoding, never beyond MAX_DECODED_BYTES."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            decoder = zlib.decompressobj(wbits=31)
            try:
                plain = decoder.decompress(body, MAX_DECODED_BYTES)
            except zlib.error as error:
                raise RefusedError(400, "The body is not gzip") from error
            if decoder.unconsumed_tail:
                raise RefusedError(413, f"The decoded body is over {MAX_DECODED_BYTES} bytes")
            if not decoder.eof:
                raise RefusedError(400, "The gzip body is cut off")
            return plain
        case _:
            raise RefusedError(415, "Content-Encoding must be gzip or identity")


def decode(body: bytes, kind: str) -> ExportTraceServiceRequest:
    """Parse an export request."""
    request = ExportTraceServiceRequest()
    try:
        if kind == PROTOBUF:
            request.ParseFromString(body)
        else:
            document = _ids_recoded(json.loads(body), lambda text: base64.b64encode(bytes.fromhex(text)).decode())
            json_format.ParseDict(document, request, ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError) as error:
        raise RefusedError(400, f"The body is not an ExportTraceServiceRequest: {str(error)[:200]}") from error
    return request


def answer(kind: str, rejected: int, reason: str) -> bytes:
    """The reply to an accepted export, with `partial_success` when spans were left out."""
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason
    return _encoded(response, kind)


def refusal(kind: str, refused: RefusedError) -> bytes:
    """The google.rpc.Status that OTLP wants as the body of an error."""
    return _encoded(Status(code=_RPC_CODES[refused.status], message=str(refused)), kind)


def _encoded(message: ExportTraceServiceResponse | Status, kind: str) -> bytes:
    text: str = json_format.MessageToJson(message, indent=None) if kind == JSON else ""
    encoded: bytes = text.encode() if kind == JSON else message.SerializeToString()
    return encoded


def to_json(traces: TracesData) -> dict[str, Any]:
    """A trace in the OTLP/JSON encoding, as other tools import it."""
    document = json_format.MessageToDict(traces, use_integers_for_enums=True)
    recoded: dict[str, Any] = _ids_recoded(document, lambda text: base64.b64decode(text).hex())
    return recoded


def _ids_recoded(node: Any, recode: Any) -> Any:
    if isinstance(node, list):
        return [_ids_recoded(item, recode) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key in _HEX_FIELDS and isinstance(value, str):
            try:
                out[key] = recode(value)
            except (ValueError, binascii.Error) as error:
                raise ValueError(f"{key} is not hexadecimal") from error
        else:
            out[key] = _ids_recoded(value, recode)
    return out
