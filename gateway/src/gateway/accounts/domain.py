"""What an account and a signed-in browser are, and how failed sign-ins slow down the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.networks import network_of

#: This many wrong passwords in a row are a person; more are a machine.
FREE_FAILURES = 5
LONGEST_WAIT = timedelta(minutes=15)
#: A session ends so long after it began, and so long after it was last used (OWASP ASVS 5.0, 7.3.1 and 7.3.2).
SESSION_LENGTH = timedelta(hours=8)
SESSION_IDLE = timedelta(hours=1)
#: The last use is written at most so often, so that reading a page is no write.
SEEN_PRECISION = timedelta(minutes=5)
#: What decides over the account itself wants somebody who signed in so recently (OWASP ASVS 5.0, 7.5.1).
RECENT = timedelta(minutes=15)


@dataclass(frozen=True)
class Account:
    """A person who can sign in."""

    subject: str
    username: str
    display_name: str
    language: str
    roles: frozenset[str]
    #: None when the person only signs in elsewhere.
    password_hash: str | None
    organisation_id: str | None = None
    #: The organisation's name as a partner's developer wrote it at sign-up.
    organisation_name: str | None = None

    @property
    def address(self) -> str | None:
        """Where mails about the account go; None for a name that no relay could be told."""
        return self.username if "@" in self.username and self.username.isascii() else None


class Method(StrEnum):
    """How somebody signed in."""

    PASSWORD = "password"
    PASSKEY = "passkey"
    UPSTREAM = "upstream"


#: Authentication method references (RFC 8176). A passkey verified its user, so it is two factors; what an upstream
#: provider asked for is its own business.
AMR: dict[Method, tuple[str, ...]] = {
    Method.PASSWORD: ("pwd",),
    Method.PASSKEY: ("pop", "user", "mfa"),
    Method.UPSTREAM: (),
}


@dataclass(frozen=True)
class Visit:
    """The browser that signs in, as it presents itself."""

    browser: str
    system: str
    address: str

    @property
    def network(self) -> str:
        """By what requests from there are counted."""
        return network_of(self.address)


@dataclass(frozen=True)
class BrowserSession:
    """A signed-in browser; `key` is the fingerprint of its cookie."""

    key: str
    subject: str
    method: Method
    #: Who vouched for the person, with `Method.UPSTREAM`.
    issuer: str | None
    visit: Visit
    auth_time: datetime
    last_seen: datetime
    ends: datetime

    def is_recent(self, now: datetime) -> bool:
        """Whether the person signed in so recently that nobody else will sit there now."""
        return now - self.auth_time < RECENT


def normalised(username: str) -> str:
    """The form in which usernames are compared and stored."""
    return username.strip().casefold()


def wait_after(failures: int) -> timedelta:
    """How long nobody may sign in to a name after so many wrong passwords in a row: doubling, at most 15 minutes."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_WAIT)


#: The first name that fits is it: Edge calls itself Chrome as well, and Chrome Safari.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def visit_of(user_agent: str, address: str) -> Visit:
    """A browser as its owner would recognise it: two words, empty when unknown; the header itself is not kept."""

    def first(known: tuple[tuple[str, str], ...]) -> str:
        return next((name for token, name in known if token in user_agent), "")

    return Visit(first(_BROWSERS), first(_SYSTEMS), address)
