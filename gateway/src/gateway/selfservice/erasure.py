"""When a person is erased: the account goes, and with it every way to act as that person."""

from __future__ import annotations

from cme_contracts.enrolment import PersonErased
from cme_kit.clock import Clock
from cme_kit.outbox import Transaction

from gateway.accounts.repository import AccountRepository, SessionRepository
from gateway.audit.domain import Act
from gateway.audit.service import SYSTEM, Audit
from gateway.mail.repository import LetterRepository
from gateway.oauth.consent_repository import ConsentRepository
from gateway.oauth.domain import REVOKED_FOR
from gateway.passkeys.repository import PasskeyRepository
from gateway.signup.repository import SignUpRepository
from gateway.upstream.repository import LinkRepository


class Erasure:
    """Removes what the gateway keeps of somebody. The audit trail keeps the id, which names nobody any more."""

    def __init__(
        self,
        accounts: AccountRepository,
        sessions: SessionRepository,
        consents: ConsentRepository,
        passkeys: PasskeyRepository,
        links: LinkRepository,
        sign_ups: SignUpRepository,
        letters: LetterRepository,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._consents = consents
        self._passkeys = passkeys
        self._links = links
        self._sign_ups = sign_ups
        self._letters = letters
        self._audit = audit
        self._clock = clock

    async def person_erased(self, tx: Transaction, event: PersonErased) -> None:
        """Remove account, sessions, passkeys, links, consents and tokens, in the transaction that applies the event."""
        subject = event.person_id
        account = await self._accounts.find(subject, tx.session)
        await self._consents.forget(subject, self._clock.now() + REVOKED_FOR, tx.session)
        await self._sessions.end_all(subject, None, tx.session)
        if account is None:
            return
        await self._passkeys.forget(subject, tx.session)
        await self._links.forget(subject, tx.session)
        await self._sign_ups.forget(subject, account.username, tx.session)
        await self._letters.forget(account.username, tx.session)
        await self._accounts.remove(subject, tx.session)
        await self._audit.record(Act.ACCOUNT_REMOVED, actor=SYSTEM, subject=subject, session=tx.session)
