"""One request on its way through the policies: what later ones and the error answer need of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.edge.allowances import Bounds
from gateway.edge.bodies import Body
from gateway.edge.gate import Gate
from gateway.edge.routes import Route
from gateway.edge.tracing import RequestSpan
from gateway.edge.upstreams import Upstream
from gateway.usage.domain import Place

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Api:
    """The live API or the sandbox: the same routes to other services, with other tokens."""

    #: In front of every path; it goes no further.
    prefix: str
    upstreams: Mapping[str, Upstream]
    gate: Gate


class Exchange:
    """What is known of a request."""

    __slots__ = (
        *("api", "body", "bounds", "cors", "deadline", "left", "next_nonce", "path", "place", "problem", "raw_path"),
        *("route", "span", "started", "status"),
    )

    def __init__(self, deadline: float, body: Body) -> None:
        #: By the clock of the event loop.
        self.deadline = deadline
        self.body = body
        self.api: Api | None = None
        self.route: Route | None = None
        #: Without the prefix of the API, decoded and as it came.
        self.path = ""
        self.raw_path = b""
        self.span: RequestSpan | None = None
        #: Where the requests of a known client are counted.
        self.place: Place | None = None
        self.bounds: Bounds | None = None
        #: The items of the RateLimit header, once the request was counted.
        self.left: bytes | None = None
        self.next_nonce: str | None = None
        self.cors: Headers = []
        self.started = False
        self.status = 500
        self.problem: str | None = None

    def own_headers(self) -> Headers:
        """What the edge says on every answer, its own refusals included."""
        headers: Headers = []
        if self.bounds is not None:
            headers.append((b"ratelimit-policy", self.bounds.policy if self.place else self.bounds.rate_policy))
            if self.left is not None:
                headers.append((b"ratelimit", self.left))
        if self.next_nonce is not None:
            headers.append((b"dpop-nonce", self.next_nonce.encode()))
        if self.route is not None:
            headers.extend(self.route.notices)
        headers.extend(self.cors)
        return headers
