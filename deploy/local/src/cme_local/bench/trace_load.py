"""Spans as the platform's own: a request through the gateway, its transaction, its event, and who applies it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

#: What the SDK's batch processor sends at once.
BATCH = 512
SPANS_PER_TRACE = 6
#: What the SDK says about itself beside the service's name.
_RESOURCE = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.41.0",
    "service.namespace": "cme",
}
_ROUTES = tuple(
    f"/enrolment/v1/{what}{end}"
    for what in ("applications", "calls", "cohorts", "learners", "organisations", "offers", "agreements", "people")
    for end in ("", "/{id}", "/{id}/answer", "/{id}/history", "/{id}/approval")
)
_SUBJECTS = tuple(
    f"cme.enrolment.{what}.v1"
    for what in ("learner.enrolled", "application.submitted", "organisation.registered", "agreement.approved")
)
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_MS = 1_000_000
#: One in so many journeys fails where its event is applied.
_FAILS_EVERY = 50


@dataclass(frozen=True)
class Load:
    """Exports as they go over the wire, and ids to look for."""

    bodies: list[bytes]
    spans: int
    #: An id that one trace mentions, and one that every trace does.
    rare_id: str
    common_id: str


def load(traces: int, seed: int = 1) -> Load:
    """That many journeys, each service's spans in batches of its own, in the order they would come."""
    dice = random.Random(seed)  # noqa: S311 -- the same spans at each run
    rare, common = _type_id(dice, "app"), _type_id(dice, "coh")
    now = time.time_ns()
    waiting: dict[str, list[Span]] = {}
    bodies = []
    for number in range(traces):
        subject_id = rare if number == traces // 2 else _type_id(dice, "app")
        for service, span in _journey(dice, now + number * _MS, number, subject_id, common):
            spans = waiting.setdefault(service, [])
            spans.append(span)
            if len(spans) == BATCH:
                bodies.append(_export(service, spans))
                spans.clear()
    bodies += [_export(service, spans) for service, spans in waiting.items() if spans]
    return Load(bodies, traces * SPANS_PER_TRACE, rare, common)


def _journey(dice: random.Random, start: int, number: int, found: str, common: str) -> Iterator[tuple[str, Span]]:
    route, subject = dice.choice(_ROUTES), dice.choice(_SUBJECTS)
    trace_id, message = dice.randbytes(16), dice.randbytes(16).hex()
    ids = [dice.randbytes(8) for _ in range(SPANS_PER_TRACE)]
    took = dice.randrange(5, 200)
    message = f"{message[:8]}-{message[8:12]}-{message[12:16]}-{message[16:20]}-{message[20:]}"
    path = route.replace("{id}", found)
    bus = {"messaging.system": "nats", "messaging.destination.name": subject, "messaging.message.id": message}
    published = bus | {"cme.aggregate": found, "cme.ids": f"{found} {common}"}

    def span(index: int, parent: int | None, name: str, kind: int, at: tuple[int, int], **more: object) -> Span:
        made = Span(
            trace_id=trace_id,
            span_id=ids[index],
            parent_span_id=b"" if parent is None else ids[parent],
            name=name,
            kind=kind,  # type: ignore[arg-type]
            start_time_unix_nano=start + at[0] * _MS,
            end_time_unix_nano=start + at[1] * _MS,
        )
        for key, value in more.items():
            attribute = made.attributes.add(key=key)
            if isinstance(value, int):
                attribute.value.int_value = value
            else:
                attribute.value.string_value = str(value)
        return made

    server, producer, consumer = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER
    edge = {"http.request.method": "POST", "url.path": path, "cme.upstream": "enrolment"}
    request = {
        "http.scheme": "http",
        "http.host": "127.0.0.1:8801",
        "net.host.port": 8801,
        "http.flavor": "1.1",
        "http.target": path,
        "http.url": f"http://127.0.0.1:8801{path}",
        "http.method": "POST",
        "http.server_name": "127.0.0.1",
        "http.user_agent": "python-httpx/0.28.1",
        "net.peer.ip": "127.0.0.1",
        "http.route": route,
        "http.status_code": 201,
    }
    yield "gateway", span(0, None, "POST enrolment", server, (0, took), **edge)
    yield "enrolment", span(1, 0, f"POST {route}", server, (1, took), **request)
    yield "enrolment", span(2, 1, "transaction", Span.SPAN_KIND_INTERNAL, (2, took))
    yield "enrolment", span(3, 2, f"publish {subject}", producer, (took, took + 3), **published)
    for index, service in ((4, "assessment"), (5, "outreach")):
        applied = bus | {"messaging.delivery_attempt": 1}
        made = span(index, 3, f"process {subject}", consumer, (took + 5, took + 40), **applied)
        if index == SPANS_PER_TRACE - 1 and number % _FAILS_EVERY == 0:
            made.status.code = Status.STATUS_CODE_ERROR
        yield service, made


def _export(service: str, spans: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in {"service.name": service, **_RESOURCE}.items():
        group.resource.attributes.add(key=key).value.string_value = value
    group.scope_spans.add().spans.extend(spans)
    body: bytes = request.SerializeToString()
    return body


def _type_id(dice: random.Random, prefix: str) -> str:
    return f"{prefix}_0{''.join(dice.choices(_LETTERS, k=25))}"
