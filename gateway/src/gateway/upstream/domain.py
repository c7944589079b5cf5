"""Other OpenID providers that vouch for people: EU Login, eduGAIN proxies. Who they are, and whom they name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

#: Signing in there takes no longer.
ATTEMPT_LIFETIME = timedelta(minutes=15)
LONGEST_SUBJECT = 255


def is_safe_url(url: object) -> bool:
    """Whether an endpoint is reached over https, or on this machine."""
    # Characters that urlsplit drops silently would come back in a header.
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname) and not parts.fragment
    return parts.scheme == "http" and is_loopback(parts.hostname or "") and not parts.fragment


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _safe(url: str) -> str:
    if not is_safe_url(url) or urlsplit(url).query:
        raise ValueError("an issuer is an https URL without a query")
    return url


class Provider(BaseModel):
    """One provider, as it is configured."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Stands in our addresses: `/login/upstream/{id}/callback` is the redirect URI to register there.
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,30}$")]
    #: What the button says, such as `EU Login`.
    name: Annotated[str, Field(min_length=1, max_length=60)]
    issuer: Annotated[str, AfterValidator(_safe)]
    client_id: Annotated[str, Field(min_length=1, max_length=300)]
    #: Either a secret (client_secret_basic) or a file with a private key, PEM or JWK (private_key_jwt).
    client_secret: SecretStr | None = None
    private_key_file: Path | None = None
    #: No e-mail address is asked for, because none is used: an account belongs to (issuer, sub).
    scopes: tuple[str, ...] = ("openid", "profile")

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if (self.client_secret is None) == (self.private_key_file is None):
            raise ValueError("give either client_secret or private_key_file")
        if "openid" not in self.scopes:
            raise ValueError("scopes begin with openid")
        return self


@dataclass(frozen=True)
class Identity:
    """Somebody as a provider names them (OpenID Connect Core section 5.7)."""

    provider: str
    issuer: str
    sub: str
    name: str | None


@dataclass(frozen=True)
class Attempt:
    """A sign-in that began in a browser and goes on at a provider."""

    provider: str
    state: str
    return_to: str
    #: Whose account shall be linked; None for a sign-in.
    linking: str | None


@dataclass(frozen=True)
class Link:
    """An account that a provider's person may sign in to."""

    issuer: str
    sub: str
    subject: str
    created: datetime
