"""What a passkey is, and at which addresses there can be any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

#: A challenge is answered within this time or not at all.
CHALLENGE_LIFETIME = timedelta(minutes=5)
MOST_PASSKEYS = 20
LONGEST_NAME = 60


@dataclass(frozen=True)
class Passkey:
    """A discoverable credential of a person (Web Authentication level 3, section 4)."""

    #: The authenticator's id of it, base64url.
    credential_id: str
    subject: str
    name: str
    #: Attested credential data: AAGUID, id and COSE public key.
    credential: bytes
    sign_count: int
    #: Whether it is kept on several devices.
    backed_up: bool
    created: datetime
    last_used: datetime | None = None


def relying_party_id(public_url: str) -> str | None:
    """The host of our address; None where it is an IP address, which browsers refuse (section 5.1.3, step 8)."""
    host = urlsplit(public_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host or None
    return None


def is_regression(stored: int, presented: int) -> bool:
    """Whether a signature counter did not grow: the authenticator may have been cloned (section 6.1.1)."""
    return (stored > 0 or presented > 0) and presented <= stored
