"""What a client is, and which redirect addresses belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import KeySet

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:/[^#]*)?)")
#: A host as it may stand in a policy for browsers, where `;` and `,` begin something else.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


#: The one in use and the one that replaces it.
MOST_SECRETS = 2


class Profile(StrEnum):
    """How strictly a client is treated."""

    #: OAuth 2.1 with RFC 9700.
    OAUTH = "oauth"
    #: FAPI 2.0 Security Profile: pushed requests, key-bound tokens, no shared secret.
    FAPI = "fapi"


class ClientStatus(StrEnum):
    """Whether a client may get tokens."""

    ACTIVE = "active"
    #: Registered by itself; a person has yet to approve it.
    PENDING = "pending"
    DISABLED = "disabled"
    #: Kept for a day, so that every replica notices.
    REMOVED = "removed"


@dataclass(frozen=True)
class ClientSecret:
    """A secret as it is stored: its keyed hash, and enough to tell it from the other one."""

    hash: str
    hint: str
    created: datetime


@dataclass(frozen=True)
class Client:
    """A registered client (RFC 6749 section 2)."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: frozenset[str]
    auth_method: str
    scopes: frozenset[str]
    created: datetime
    secrets: tuple[ClientSecret, ...] = ()
    jwks: dict[str, Any] | None = None
    organisation_id: str | None = None
    profile: Profile = Profile.OAUTH
    status: ClientStatus = ClientStatus.ACTIVE
    #: Its tokens open the sandbox only.
    sandbox: bool = False
    #: Every token is bound to a key of the client (RFC 9449 section 5.2).
    dpop_bound: bool = False
    #: Nobody here has looked at it: it registered itself.
    self_registered: bool = False
    #: The person who made it in the portal.
    owner: str | None = None
    #: Where scripts of the client may call from (the Fetch standard's CORS protocol).
    origins: tuple[str, ...] = ()
    #: What people are told about it: addresses of its page, logo, terms and privacy policy (RFC 7591 section 2).
    about: dict[str, str] = field(default_factory=dict)

    @cached_property
    def keys(self) -> KeySet | None:
        """Its public keys."""
        return KeySet.import_key_set(self.jwks) if self.jwks is not None else None  # type: ignore[arg-type]  # was checked

    @property
    def is_active(self) -> bool:
        """Whether it may get tokens and use them."""
        return self.status is ClientStatus.ACTIVE

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret: an app on somebody's machine."""
        return self.auth_method == "none"

    @property
    def binds_tokens(self) -> bool:
        """Whether its tokens are of use only with its key."""
        return self.dpop_bound or self.profile is Profile.FAPI

    def is_assured_at(self, redirect_uri: str) -> bool:
        """Whether nobody else can be answered there: a program on the same machine could (RFC 8252 section 8.6)."""
        return not self.self_registered and (not self.is_public or redirect_uri.startswith("https://"))

    def may_redirect_to(self, uri: str) -> bool:
        """Exact match (RFC 9700 section 2.1); only the port of a loopback address is free (RFC 8252 section 7.3)."""
        if uri in self.redirect_uris:
            return True
        asked = _without_loopback_port(uri)
        return asked is not None and any(asked == _without_loopback_port(known) for known in self.redirect_uris)


def _without_loopback_port(uri: str) -> tuple[str, str] | None:
    match = _LOOPBACK.fullmatch(uri)
    return (match[1], match[2]) if match and is_redirect_uri(uri) else None


def is_redirect_uri(uri: str) -> bool:
    """Whether an address may be registered: https, or http on a loopback address; no fragment, no user part."""
    if not uri.isascii() or any(character <= " " for character in uri) or "#" in uri or "\\" in uri:
        return False
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises for one over 65535
    except ValueError:
        return False
    if uri.startswith("http://"):
        return _LOOPBACK.fullmatch(uri) is not None
    return uri.startswith("https://") and _AUTHORITY.fullmatch(parts.netloc) is not None


def is_origin(value: str) -> bool:
    """Whether it is an origin as browsers send it (RFC 6454 section 6.1): https, or http on a loopback address."""
    if not is_redirect_uri(value):
        return False
    parts = urlsplit(value)
    return not parts.path and not parts.query and value == value.lower()
