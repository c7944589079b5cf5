"""What an account is, and how failed sign-ins slow down the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

#: This many wrong passwords in a row are a person; more are a machine.
FREE_FAILURES = 5
LONGEST_WAIT = timedelta(minutes=15)


@dataclass(frozen=True)
class Account:
    """A person who can sign in."""

    subject: str
    username: str
    display_name: str
    language: str
    roles: frozenset[str]
    password_hash: str
    organisation_id: str | None = None


def normalised(username: str) -> str:
    """The form in which usernames are compared and stored."""
    return username.strip().casefold()


def wait_after(failures: int) -> timedelta:
    """How long nobody may sign in to a name after so many wrong passwords in a row: doubling, at most 15 minutes."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_WAIT)
