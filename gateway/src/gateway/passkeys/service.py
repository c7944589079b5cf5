"""Passkeys: adding, naming, removing, and signing in with one."""

from __future__ import annotations

from typing import Any

from cme_kit.clock import Clock
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import Forbidden, NotFound
from fido2.utils import websafe_encode

from gateway.accounts.domain import Method, Visit
from gateway.accounts.repository import AccountRepository
from gateway.accounts.service import SignedIn
from gateway.accounts.sessions import Sessions
from gateway.accounts.throttle import CHALLENGES_FROM, Throttle, TooManyTries
from gateway.audit.domain import Act
from gateway.audit.service import SYSTEM, Audit
from gateway.mail.domain import Kind
from gateway.mail.service import Mail
from gateway.passkeys.ceremonies import Answer, Ceremonies, PasskeyRefused, read_answer
from gateway.passkeys.domain import CHALLENGE_LIFETIME, MOST_PASSKEYS, Passkey, is_regression, relying_party_id
from gateway.passkeys.repository import ChallengeRepository, PasskeyRepository
from gateway.peppered import fingerprint

SIGN_IN = "sign in"


class SignInAgain(Forbidden):
    """Signed in too long ago for such a change (OWASP ASVS 5.0, 7.5.1)."""

    code = "sign_in_again"

    def __init__(self) -> None:
        super().__init__("Sign in again to change how you sign in. Nothing was changed.")


class Passkeys:
    """Everybody's passkeys. A browser is known by the cookie that its forms are bound to."""

    def __init__(
        self,
        repository: PasskeyRepository,
        challenges: ChallengeRepository,
        accounts: AccountRepository,
        sessions: Sessions,
        throttle: Throttle,
        mail: Mail,
        audit: Audit,
        outbox: Outbox,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._repository = repository
        self._challenges = challenges
        self._accounts = accounts
        self._sessions = sessions
        self._throttle = throttle
        self._mail = mail
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        party = relying_party_id(public_url)
        self._ceremonies = Ceremonies(party, public_url) if party else None

    @property
    def are_possible(self) -> bool:
        """Whether browsers take passkeys at our address."""
        return self._ceremonies is not None

    async def of(self, subject: str) -> list[Passkey]:
        """A person's passkeys, oldest first."""
        return await self._repository.of(subject)

    async def options_to_add(self, person: SignedIn, browser: str) -> dict[str, Any]:
        """What the browser needs to make a passkey. Raises SignInAgain, PasskeyRefused or NotFound."""
        passkeys = await self._repository.of(person.account.subject)
        self._may_add(person, passkeys)
        options, challenge = self._ceremony().creation_options(person.account, passkeys)
        await self._remember(challenge, person.account.subject, browser)
        return options

    async def add(self, person: SignedIn, browser: str, name: str, text: str) -> None:
        """Keep a new passkey. Raises SignInAgain, PasskeyRefused or NotFound."""
        subject = person.account.subject
        self._may_add(person, await self._repository.of(subject))
        answer = await self._expected(text, subject, browser)
        made = self._ceremony().created(answer)
        passkey = Passkey(
            made.credential_id, subject, name, made.credential, made.sign_count, made.backed_up, self._clock.now()
        )

        async def store(tx: Transaction) -> None:
            await self._repository.add(passkey, tx.session)
            await self._audit.record(Act.PASSKEY_ADDED, actor=subject, subject=subject, session=tx.session)
            await self._mail.tell(person.account, Kind.PASSKEY_ADDED, tx)

        try:
            await self._outbox.transaction(store)
        except DuplicateKeyError as error:
            raise PasskeyRefused("This passkey is in use already.") from error

    async def rename(self, subject: str, credential_id: str, name: str) -> None:
        """Give a passkey another name. Raises NotFound."""
        if not await self._repository.rename(subject, credential_id, name):
            raise NotFound("passkey")

    async def remove(self, person: SignedIn, credential_id: str) -> None:
        """Remove a passkey. Raises SignInAgain or NotFound."""
        if not person.session.is_recent(self._clock.now()):
            raise SignInAgain
        subject = person.account.subject

        async def forget(tx: Transaction) -> None:
            if not await self._repository.remove(subject, credential_id, tx.session):
                raise NotFound("passkey")
            await self._audit.record(Act.PASSKEY_REMOVED, actor=subject, subject=subject, session=tx.session)

        await self._outbox.transaction(forget)

    async def options_to_sign_in(self, browser: str, address: str) -> dict[str, Any]:
        """What the browser needs to use a passkey. Raises NotFound, or TooManyTries for a client address."""
        if wait := await self._throttle.take(CHALLENGES_FROM, address):
            raise TooManyTries(wait)
        options, challenge = self._ceremony().request_options()
        await self._remember(challenge, SIGN_IN, browser)
        return options

    async def sign_in(self, browser: str, text: str, visit: Visit, instead_of: str | None) -> SignedIn:
        """A new session. Raises PasskeyRefused, alike for whatever is wrong."""
        answer = await self._expected(text, SIGN_IN, browser)
        passkey = await self._repository.find(answer.credential_id)
        account = await self._accounts.find(passkey.subject) if passkey else None
        if passkey is None or account is None or answer.user_handle != account.subject.encode():
            raise await self._failed("nobody", "unknown")
        try:
            asserted = self._ceremony().asserted(answer, passkey)
        except PasskeyRefused as error:
            raise await self._failed(account.subject, "signature") from error
        counted = not is_regression(passkey.sign_count, asserted.sign_count) and await self._repository.used(
            passkey, asserted.sign_count, asserted.backed_up, self._clock.now()
        )
        if not counted:
            raise await self._failed(account.subject, "sign_count")
        cookie, session = await self._sessions.begin(account.subject, Method.PASSKEY, visit, instead_of=instead_of)
        return SignedIn(cookie, account, session)

    async def _failed(self, subject: str, reason: str) -> PasskeyRefused:
        details = {"method": Method.PASSKEY.value, "reason": reason}
        await self._audit.record(Act.SIGN_IN_FAILED, actor=SYSTEM, subject=subject, details=details)
        return PasskeyRefused("This passkey is not known here or could not be checked.")

    async def _remember(self, challenge: bytes, purpose: str, browser: str) -> None:
        expires = self._clock.now() + CHALLENGE_LIFETIME
        await self._challenges.add(fingerprint(websafe_encode(challenge)), purpose, fingerprint(browser), expires)

    async def _expected(self, text: str, purpose: str, browser: str) -> Answer:
        answer = read_answer(text)
        key = fingerprint(websafe_encode(answer.challenge))
        if not await self._challenges.use(key, purpose, fingerprint(browser), self._clock.now()):
            raise PasskeyRefused("This was asked too long ago, or was answered already. Open the page again.")
        return answer

    def _ceremony(self) -> Ceremonies:
        if self._ceremonies is None:
            raise NotFound("passkey")
        return self._ceremonies

    def _may_add(self, person: SignedIn, passkeys: list[Passkey]) -> None:
        if not person.session.is_recent(self._clock.now()):
            raise SignInAgain
        if len(passkeys) >= MOST_PASSKEYS:
            raise PasskeyRefused(f"You have {MOST_PASSKEYS} passkeys, which is the most. Remove one first.")
