"""Creating accounts, signing in, sessions."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict

from gateway.accounts.domain import Account, normalised, wait_after
from gateway.accounts.passwords import Passwords
from gateway.accounts.repository import AccountRepository, FailureRepository, SessionRepository
from gateway.accounts.schemas import AccountRequest, AccountView
from gateway.peppered import Pepper, fingerprint

SESSION_LENGTH = timedelta(hours=8)
FAILURES_REMEMBERED = timedelta(hours=1)


class UsernameTaken(Conflict):
    """Somebody has this name."""

    code = "username_taken"


@dataclass(frozen=True)
class SignedIn:
    """A session: what the browser keeps, and who it is."""

    cookie: str
    account: Account


@dataclass(frozen=True)
class Throttled:
    """Too many wrong passwords for a name."""

    seconds: float


class Accounts:
    """People's accounts."""

    def __init__(
        self,
        accounts: AccountRepository,
        sessions: SessionRepository,
        failures: FailureRepository,
        passwords: Passwords,
        pepper: Pepper,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._failures = failures
        self._passwords = passwords
        self._pepper = pepper
        self._clock = clock

    async def prepare(self, request: AccountRequest) -> Account:
        """The account to create, its password hashed: outside the transaction, which is not to wait for it."""
        return Account(
            subject=new_id("per"),
            username=normalised(request.username),
            display_name=request.display_name,
            language=request.language,
            roles=frozenset(request.roles),
            password_hash=await self._passwords.hash(request.password.get_secret_value()),
            organisation_id=request.organisation_id,
        )

    async def create(self, tx: Transaction, account: Account) -> AccountView:
        """Store an account. Raises UsernameTaken."""
        created = self._clock.now()
        try:
            await self._accounts.add(account, created, tx.session)
        except DuplicateKeyError as error:
            raise UsernameTaken("Somebody has this username already. Choose another one.") from error
        return _view(account, created)

    async def find(self, subject: str) -> Account | None:
        """The account of a person."""
        return await self._accounts.find(subject)

    async def page(self, after: str | None, limit: int) -> list[AccountView]:
        """Accounts in the order they were made, after a cursor, one more than `limit`."""
        return [_view(account, created) for account, created in await self._accounts.page(after, limit)]

    async def sign_in(self, username: str, password: str) -> SignedIn | Throttled | None:
        """A new session, or None for a wrong name or password, which look and take the same.

        Throttling counts per name, whether or not it exists, so that it tells nothing either.
        """
        name = normalised(username)
        key = self._pepper.derive("failed sign-ins", name)
        now = self._clock.now()
        blocked_until = await self._failures.blocked_until(key)
        if blocked_until is not None and blocked_until > now:
            return Throttled((blocked_until - now).total_seconds())
        account = await self._accounts.named(name)
        if not await self._passwords.matches(password, account.password_hash if account else None) or account is None:
            failures = await self._failures.count(key, now, now + FAILURES_REMEMBERED)
            if wait := wait_after(failures):
                await self._failures.block(key, now + wait)
            return None
        if blocked_until is not None:
            await self._failures.forget(key)
        cookie = secrets.token_urlsafe(32)
        await self._sessions.add(fingerprint(cookie), account.subject, now + SESSION_LENGTH)
        return SignedIn(cookie, account)

    async def session(self, cookie: str | None) -> SignedIn | None:
        """The session of a browser's cookie, unless it ended."""
        if not cookie:
            return None
        subject = await self._sessions.subject_of(fingerprint(cookie), self._clock.now())
        account = await self._accounts.find(subject) if subject else None
        return SignedIn(cookie, account) if account else None

    async def sign_out(self, cookie: str) -> None:
        """End a session."""
        await self._sessions.remove(fingerprint(cookie))


def _view(account: Account, created: datetime) -> AccountView:
    return AccountView(
        subject=account.subject,
        username=account.username,
        display_name=account.display_name,
        language=account.language,
        roles=sorted(account.roles),
        organisation_id=account.organisation_id,
        created_at=created,
    )
