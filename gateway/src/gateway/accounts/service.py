"""Creating accounts, signing in, sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from gateway.accounts.domain import AMR, Account, BrowserSession, Method, Visit, normalised, wait_after
from gateway.accounts.password_rules import weakness_of
from gateway.accounts.passwords import Passwords
from gateway.accounts.repository import AccountRepository, FailureRepository
from gateway.accounts.schemas import AccountRequest, AccountView
from gateway.accounts.sessions import Sessions
from gateway.accounts.throttle import FAILURES_FROM, Throttle
from gateway.audit.domain import Act
from gateway.audit.service import SYSTEM, Audit
from gateway.peppered import Pepper

FAILURES_REMEMBERED = timedelta(hours=1)


class UsernameTaken(Conflict):
    """Somebody has this name."""

    code = "username_taken"


class WeakPassword(Unprocessable):
    """Everybody would try this password first."""

    code = "weak_password"


@dataclass(frozen=True)
class SignedIn:
    """A session: what the browser keeps, who it is, and how and when the person proved it."""

    cookie: str
    account: Account
    session: BrowserSession

    @property
    def auth_time(self) -> datetime:
        """When the person signed in (OpenID Connect Core section 2)."""
        return self.session.auth_time

    @property
    def method(self) -> Method:
        """How the person signed in."""
        return self.session.method

    @property
    def amr(self) -> tuple[str, ...]:
        """Authentication method references (RFC 8176); empty when another provider vouches for the person."""
        return AMR[self.session.method]


@dataclass(frozen=True)
class Throttled:
    """Too many wrong passwords for a name."""

    seconds: float


class Accounts:
    """People's accounts."""

    def __init__(
        self,
        accounts: AccountRepository,
        sessions: Sessions,
        failures: FailureRepository,
        passwords: Passwords,
        throttle: Throttle,
        pepper: Pepper,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._failures = failures
        self._passwords = passwords
        self._throttle = throttle
        self._pepper = pepper
        self._audit = audit
        self._clock = clock

    async def prepare(self, request: AccountRequest) -> Account:
        """The account to create, its password hashed: outside the transaction, which is not to wait for it.

        Raises WeakPassword.
        """
        password = request.password.get_secret_value()
        if weakness := weakness_of(password, request.username, request.display_name):
            raise WeakPassword(f"Choose another password: this one is {weakness.value}.")
        return Account(
            subject=new_id("per"),
            username=normalised(request.username),
            display_name=request.display_name,
            language=request.language,
            roles=frozenset(request.roles),
            password_hash=await self._passwords.hash(password),
            organisation_id=request.organisation_id,
        )

    async def create(self, tx: Transaction, account: Account, actor: str) -> AccountView:
        """Store an account that `actor`, a client, made. Raises UsernameTaken."""
        created = self._clock.now()
        try:
            await self._accounts.add(account, created, tx.session)
        except DuplicateKeyError as error:
            raise UsernameTaken("Somebody has this username already. Choose another one.") from error
        await self._audit.record(
            Act.ACCOUNT_CREATED, actor=actor, subject=account.subject, details={"by": "registrar"}, session=tx.session
        )
        return _view(account, created)

    async def give_roles(
        self, tx: Transaction, subject: str, roles: frozenset[str], organisation_id: str | None, actor: str
    ) -> AccountView:
        """Replace a person's roles and organisation. Raises NotFound."""
        changed = await self._accounts.give_roles(subject, roles, organisation_id, tx.session)
        if changed is None:
            raise NotFound("account")
        details = {"roles": " ".join(sorted(roles)), **({"organisation": organisation_id} if organisation_id else {})}
        await self._audit.record(Act.ACCOUNT_CHANGED, actor=actor, subject=subject, details=details, session=tx.session)
        return _view(*changed)

    async def find(self, subject: str) -> Account | None:
        """The account of a person."""
        return await self._accounts.find(subject)

    async def page(self, after: str | None, limit: int) -> list[AccountView]:
        """Accounts in the order they were made, after a cursor, one more than `limit`."""
        return [_view(account, created) for account, created in await self._accounts.page(after, limit)]

    async def sign_in(
        self, username: str, password: str, visit: Visit, instead_of: str | None = None
    ) -> SignedIn | Throttled | None:
        """A new session in place of the browser's old one; None for a wrong name or password, which look and take the same.

        Throttling counts per name, whether or not it exists, so that it tells nothing either, and per client address.
        """
        if wait := await self._throttle.wait(FAILURES_FROM, visit.network):
            return Throttled(wait)
        account = await self.verify(username, password)
        if account is None:
            await self._throttle.take(FAILURES_FROM, visit.network)
        if account is None or isinstance(account, Throttled):
            return account
        cookie, session = await self._sessions.begin(account.subject, Method.PASSWORD, visit, instead_of=instead_of)
        return SignedIn(cookie, account, session)

    async def verify(self, username: str, password: str) -> Account | Throttled | None:
        """The account with this name and password; None when there is none."""
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
            # A name that nobody has may be a password typed in the wrong field, so it is not written down.
            subject = account.subject if account else "nobody"
            details = {"method": Method.PASSWORD.value}
            await self._audit.record(Act.SIGN_IN_FAILED, actor=SYSTEM, subject=subject, details=details)
            return None
        if blocked_until is not None:
            await self._failures.forget(key)
        return account

    async def session(self, cookie: str | None) -> SignedIn | None:
        """The session of a browser's cookie, unless it ended."""
        session = await self._sessions.current(cookie) if cookie else None
        account = await self._accounts.find(session.subject) if session else None
        return SignedIn(cookie, account, session) if cookie and session and account else None

    async def sign_out(self, cookie: str) -> None:
        """End a session."""
        await self._sessions.sign_out(cookie)


def _view(account: Account, created: datetime) -> AccountView:
    return AccountView(
        subject=account.subject,
        username=account.username,
        display_name=account.display_name,
        language=account.language,
        roles=sorted(account.roles),
        organisation_id=account.organisation_id,
        organisation_name=account.organisation_name,
        created_at=created,
    )
