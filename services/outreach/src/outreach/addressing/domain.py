"""Mail addresses: reading them from what people write, hashing them, and signing the links of a mail."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from email_validator import EmailNotValidError, validate_email

#: Local parts that name a function, not a person.
ROLE_NAMES = frozenset(
    [
        "admin",
        "cluster",
        "contact",
        "hello",
        "info",
        "kansli",
        "kanslia",
        "kontakt",
        "kontaktas",
        "mail",
        "office",
        "post",
        "posti",
        "press",
        "secretariat",
        "team",
    ]
)
#: Providers whose domain says nothing about an organisation.
PUBLIC_PROVIDERS = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "gmx.de",
        "hotmail.com",
        "icloud.com",
        "outlook.com",
        "proton.me",
        "web.de",
        "yahoo.com",
    ]
)
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad]")


class AddressKind(StrEnum):
    """Whom an address reaches; the law of most countries tells them apart."""

    NAMED_WORK = "named_work"
    ROLE_MAILBOX = "role_mailbox"
    PRIVATE = "private"


class UnusableAddress(ValueError):
    """A text that is no address anybody could be reached by."""


class DoubtfulAddress(ValueError):
    """An address that may imitate another one: letters of another script, or signs lost in a wrong encoding."""


@dataclass(frozen=True)
class AddressKeys:
    """What is derived from the address key; each use has a key of its own (RFC 5869, one-block expand)."""

    root: bytes

    def _key(self, label: str) -> bytes:
        return hmac.digest(self.root, label.encode(), hashlib.sha256)

    def hash_of(self, address: str) -> str:
        """HMAC-SHA-256 of a normalised address: a plain hash of an address can be guessed, this cannot."""
        return hmac.new(self._key("address"), address.encode(), hashlib.sha256).hexdigest()

    def token(self, purpose: str, send_id: str) -> str:
        """The token of a link in one mail: it names the send, is good for one purpose, and reveals no address."""
        signed = hmac.digest(self._key(f"link {purpose}"), send_id.encode(), hashlib.sha256)[:18]
        return f"{send_id.removeprefix('snd_')}.{urlsafe_b64encode(signed).decode()}"

    def send_of(self, purpose: str, token: str) -> str | None:
        """The send that a token was made for, or None when it was not made here for this purpose."""
        send_id = "snd_" + token.partition(".")[0]
        return send_id if hmac.compare_digest(self.token(purpose, send_id).encode(), token.encode()) else None

    def message_id(self, campaign_id: str, address_hash: str, domain: str) -> str:
        """The Message-ID of a campaign's mail to an address: always the same, so that relay logs settle doubt."""
        local = hmac.new(self._key("message"), f"{campaign_id} {address_hash}".encode(), hashlib.sha256).hexdigest()
        return f"<{local[:40]}@{domain}>"


def normalise_address(text: str) -> str:
    """The address that a cell holds, in lower case, without what surrounds it.

    Raises UnusableAddress for what is none, and DoubtfulAddress for one that a person should look at.
    """
    if any(unicodedata.category(sign) == "Cc" for sign in text.strip()):
        raise UnusableAddress("control characters in an address")
    bare = _INVISIBLE.sub("", text).strip().removeprefix("mailto:").strip("<>., \u00a0")
    if not bare.isascii() or "?" in bare:
        raise DoubtfulAddress("letters outside ASCII in an address")
    try:
        return validate_email(bare, check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise UnusableAddress("not a mail address") from error


def split_addresses(cell: str) -> Sequence[str]:
    """The addresses that a cell lists, separated by semicolons, commas or slashes."""
    return [part for part in re.split(r"[;,/]", cell) if part.strip(" <>.\u00a0\u200b")]


def kind_of(address: str) -> AddressKind:
    """Whether an address reaches a role, a person at work, or a person at home."""
    local, _, domain = address.partition("@")
    if domain in PUBLIC_PROVIDERS:
        return AddressKind.PRIVATE
    return AddressKind.ROLE_MAILBOX if re.split(r"[.+_-]", local)[0] in ROLE_NAMES else AddressKind.NAMED_WORK


def organisation_domain(address: str) -> str | None:
    """The domain of an address when it belongs to an organisation."""
    domain = address.rpartition("@")[2]
    return domain if domain and domain not in PUBLIC_PROVIDERS else None
