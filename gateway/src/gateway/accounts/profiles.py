"""What people change about their own accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cme_kit.outbox import Outbox, Transaction

from gateway.accounts.domain import Account, Method, Visit
from gateway.accounts.password_rules import Weakness, weakness_of
from gateway.accounts.passwords import Passwords
from gateway.accounts.repository import AccountRepository
from gateway.accounts.service import Accounts, SignedIn, Throttled
from gateway.accounts.sessions import Sessions
from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.mail.domain import Kind
from gateway.mail.service import Mail


class Profiles:
    """Name, language and password of a signed-in person."""

    def __init__(
        self,
        accounts: Accounts,
        repository: AccountRepository,
        sessions: Sessions,
        passwords: Passwords,
        mail: Mail,
        audit: Audit,
        outbox: Outbox,
    ) -> None:
        self._accounts = accounts
        self._repository = repository
        self._sessions = sessions
        self._passwords = passwords
        self._mail = mail
        self._audit = audit
        self._outbox = outbox

    async def describe(self, person: SignedIn, display_name: str, language: str) -> None:
        """Change the name by which pages address somebody, and the language of pages and mails."""
        await self._repository.describe(person.account.subject, display_name, language)

    async def change_password(
        self, person: SignedIn, current: str, new: str, visit: Visit
    ) -> SignedIn | Weakness | Throttled | None:
        """Change the password and end every session; the one that is returned is new. None for a wrong current one."""
        account = person.account
        verified = await self._accounts.verify(account.username, current)
        if not isinstance(verified, Account):
            return verified
        if weakness := weakness_of(new, account.username, account.display_name, account.organisation_name):
            return weakness
        await self.set_password(account, new, Act.PASSWORD_CHANGED)
        cookie, session = await self._sessions.begin(account.subject, Method.PASSWORD, visit)
        return SignedIn(cookie, account, session)

    async def set_password(
        self, account: Account, new: str, act: Act, also: Callable[[Transaction], Awaitable[None]] | None = None
    ) -> None:
        """Store a password and end every session of its person (OWASP ASVS 5.0, 7.4.3), with what `also` changes."""
        hashed = await self._passwords.hash(new)

        async def store(tx: Transaction) -> None:
            if also is not None:
                await also(tx)
            await self._repository.set_password(account.subject, hashed, tx.session)
            await self._sessions.end_all(account.subject, tx=tx.session)
            await self._audit.record(act, actor=account.subject, subject=account.subject, session=tx.session)
            await self._mail.tell(account, Kind.PASSWORD_CHANGED, tx)

        await self._outbox.transaction(store)
