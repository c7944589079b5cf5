"""What the gateway itself may answer instead of an operation, for the merged document."""

from __future__ import annotations

from cme_kit.auth import InvalidDpopProof, Unauthenticated, UseDpopNonce
from cme_kit.deadlines import DeadlineExceeded
from cme_kit.problems import ServiceError

from gateway.edge.bodies import RequestTimeout
from gateway.edge.breaker import UpstreamDown
from gateway.edge.limits import (
    BodyTooLarge,
    HeadersTooLarge,
    MalformedRequest,
    TargetTooLong,
    UnsupportedEncoding,
)
from gateway.edge.quotas import QuotaExceeded
from gateway.edge.rates import TooManyRequests
from gateway.edge.upstreams import UpstreamFailed

Kinds = tuple[type[ServiceError], ...]
#: Of every request, whoever answers it.
ANY: Kinds = (MalformedRequest, TargetTooLong, UnsupportedEncoding, HeadersTooLarge)
#: Of requests with a body.
WITH_BODY: Kinds = (BodyTooLarge, RequestTimeout)
#: Of requests that go on to a service; a token is refused also where none is needed.
FORWARDED: Kinds = (
    *(Unauthenticated, InvalidDpopProof, UseDpopNonce, TooManyRequests, QuotaExceeded),
    *(UpstreamFailed, UpstreamDown, DeadlineExceeded),
)
#: Headers that every forwarded answer may have (Internet-Draft httpapi-ratelimit-headers-10).
HEADERS = {
    "RateLimit": {
        "description": "Requests left now and today, and seconds until all are back",
        "schema": {
            "type": "string",
            "pattern": r'^"[a-z]+";r=\d+;t=\d+',
            "examples": ['"default";r=1180;t=1, "daily";r=1999999;t=40000'],
        },
    },
    "RateLimit-Policy": {
        "description": "How many requests in how many seconds a caller may send to a service, and its client in a day",
        "schema": {
            "type": "string",
            "pattern": r'^"[a-z]+";q=\d+;w=\d+',
            "examples": ['"default";q=1200;w=2, "daily";q=2000000;w=86400'],
        },
    },
}
