"""The policy of headers: no client decides who it is, and hop-by-hop headers end here (RFC 9110 section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect", b"http2-settings"),
    }
)
#: Identities and addresses that only a gateway may state, and headers that change what a request means.
CLAIMS = frozenset(
    {
        *(b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"x-original-url", b"x-rewrite-url"),
        *(b"x-http-method", b"x-http-method-override", b"x-method-override", b"via", b"x-request-id"),
    }
)
CLAIM_PREFIXES = (b"x-user", b"x-client", b"x-org", b"x-forwarded", b"x-auth", b"x-remote", b"x-tenant", b"x-envoy")
#: Set anew by the edge: the length of the body it sends, the upstream's host, its own trace.
OWN = frozenset({b"host", b"content-length", b"traceparent", b"tracestate", b"baggage"})
#: What the gateway remembers of a browser is no business of a service, but for the language of pages.
COOKIES = b"cookie"
OWN_COOKIES, LANGUAGE = (b"cme_", b"__Host-cme_"), b"cme_language="
DROPPED = HOP_BY_HOP | CLAIMS | OWN
FROM_UPSTREAM = HOP_BY_HOP | {b"server", b"date", b"x-powered-by", b"via"}
#: Who may read an answer is decided here, by the origins of clients.
CORS = b"access-control-"


def request_headers(headers: Headers, client: str, host: bytes, scheme: bytes) -> list[tuple[bytes, bytes]]:
    """What goes on to a service."""
    named = _connection_options(headers)
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name in DROPPED or name in named or name.startswith(CLAIM_PREFIXES):
            continue
        if name == COOKIES:
            if cookies := _without_own(value):
                kept.append((name, cookies))
            continue
        kept.append((name, value))
    kept.append((b"x-forwarded-for", client.encode("latin-1")))
    kept.append((b"x-forwarded-host", host))
    kept.append((b"x-forwarded-proto", scheme))
    return kept


def response_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """What a service's answer keeps; names are in small letters."""
    dropped = FROM_UPSTREAM | options if (options := _connection_options(headers)) else FROM_UPSTREAM
    return [pair for pair in headers if pair[0] not in dropped and not pair[0].startswith(CORS)]


def _connection_options(headers: Headers) -> frozenset[bytes]:
    options: frozenset[bytes] = frozenset()
    for name, value in headers:
        if name == b"connection":
            options |= {option.strip().lower() for option in value.split(b",")}
    return options


def _without_own(cookies: bytes) -> bytes:
    parts = (part.strip() for part in cookies.split(b";"))
    return b"; ".join(
        part for part in parts if part.startswith(LANGUAGE) or (part and not part.startswith(OWN_COOKIES))
    )
