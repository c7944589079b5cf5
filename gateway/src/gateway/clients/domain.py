"""What a client is, and which redirect addresses belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_LOOPBACK = re.compile(r"^(http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?((?:/[^#]*)?)$")


@dataclass(frozen=True)
class Client:
    """A registered client (RFC 6749 section 2)."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: frozenset[str]
    auth_method: str
    scopes: frozenset[str]
    secret_hash: str | None = None
    jwks: dict[str, Any] | None = None
    organisation_id: str | None = None

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret: an app on somebody's machine."""
        return self.auth_method == "none"

    def may_redirect_to(self, uri: str) -> bool:
        """Exact match (RFC 9700 section 2.1); only the port of a loopback address is free (RFC 8252 section 7.3)."""
        if uri in self.redirect_uris:
            return True
        asked = _without_loopback_port(uri)
        return asked is not None and any(asked == _without_loopback_port(known) for known in self.redirect_uris)


def _without_loopback_port(uri: str) -> tuple[str, str] | None:
    match = _LOOPBACK.match(uri)
    return (match[1], match[2]) if match else None


def is_redirect_uri(uri: str) -> bool:
    """Whether an address may be registered: https, or http on a loopback address; no fragment, no user part."""
    if not uri.isascii() or any(character <= " " for character in uri) or "#" in uri or "\\" in uri:
        return False
    if uri.startswith("http://"):
        return _LOOPBACK.match(uri) is not None
    parts = urlsplit(uri)
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
