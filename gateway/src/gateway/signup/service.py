"""Signing up and setting a new password, each by a mailed link; nobody learns whether an address has an account."""

from __future__ import annotations

from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Outbox, Transaction

from gateway.accounts.domain import Account, Method, Visit, normalised
from gateway.accounts.password_rules import Weakness, weakness_of
from gateway.accounts.passwords import Passwords
from gateway.accounts.profiles import Profiles
from gateway.accounts.repository import AccountRepository
from gateway.accounts.service import SignedIn, Throttled
from gateway.accounts.sessions import Sessions
from gateway.accounts.throttle import CONFIRMATIONS, MAILS_FROM, MAILS_TO, Throttle
from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.mail.domain import Kind
from gateway.mail.service import Links, Mail
from gateway.signup.domain import (
    CONFIRM_WITHIN,
    RESET_WITHIN,
    Application,
    Reset,
    SignUp,
    mail_address,
    one_line,
)
from gateway.signup.repository import SignUpRepository

#: What a partner's developer may do: work in the portal.
ROLES = frozenset({"developer"})
NOBODY = "nobody"


class LinkGone(Exception):
    """A link that is not ours, was used, or is too old."""


class Taken(Exception):
    """Meanwhile somebody has an account with this address."""


class SignUps:
    """Accounts that people make themselves, and passwords that they forgot."""

    def __init__(
        self,
        repository: SignUpRepository,
        accounts: AccountRepository,
        profiles: Profiles,
        sessions: Sessions,
        passwords: Passwords,
        throttle: Throttle,
        mail: Mail,
        links: Links,
        audit: Audit,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._accounts = accounts
        self._profiles = profiles
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = throttle
        self._mail = mail
        self._links = links
        self._audit = audit
        self._outbox = outbox
        self._clock = clock

    async def begin(self, application: Application, return_to: str, visit: Visit) -> Throttled | None:
        """Write to the address of a form without mistakes.

        An address that has an account gets another letter; what is done here, and how long it takes, is the same.
        """
        username = mail_address(application.email)
        assert username is not None
        if throttled := await self._throttled(username, visit):
            return throttled
        hashed = await self._passwords.hash(application.password)
        known = await self._accounts.named(username) is not None
        now = self._clock.now()
        sign_up = SignUp(
            signup_id=new_id("sgn"),
            username=username,
            display_name=one_line(application.display_name),
            organisation_name=one_line(application.organisation_name),
            language=application.language,
            password_hash=hashed,
            return_to=return_to,
            created=now,
            expires=now + CONFIRM_WITHIN,
        )

        async def store(tx: Transaction) -> None:
            await self._repository.add(sign_up, tx.session)
            kind = Kind.ADDRESS_KNOWN if known else Kind.CONFIRM_ADDRESS
            await self._mail.write(kind, username, sign_up.language, tx, about=sign_up.signup_id, useful=CONFIRM_WITHIN)

        await self._outbox.transaction(store)
        return None

    async def waiting(self, link: str) -> SignUp:
        """The sign-up that a link is about. Raises LinkGone."""
        signup_id = self._links.read(Kind.CONFIRM_ADDRESS, link)
        sign_up = await self._repository.find(signup_id, self._clock.now()) if signup_id else None
        if sign_up is None:
            raise LinkGone
        return sign_up

    async def confirm(
        self, link: str, password: str, visit: Visit, instead_of: str | None
    ) -> SignedIn | Throttled | None:
        """Make the account of a sign-up and sign in; None for a wrong password. Raises LinkGone or Taken.

        The password is asked for again: whoever opens the link need not be who signed up with their address.
        """
        sign_up = await self.waiting(link)
        if wait := await self._throttle.wait(CONFIRMATIONS, sign_up.signup_id):
            return Throttled(wait)
        if not await self._passwords.matches(password, sign_up.password_hash):
            await self._throttle.take(CONFIRMATIONS, sign_up.signup_id)
            return None
        account = Account(
            subject=new_id("per"),
            username=sign_up.username,
            display_name=sign_up.display_name,
            language=sign_up.language,
            roles=ROLES,
            password_hash=sign_up.password_hash,
            organisation_name=sign_up.organisation_name,
        )

        async def store(tx: Transaction) -> None:
            if not await self._repository.use(sign_up, tx.session):
                raise LinkGone
            await self._accounts.add(account, self._clock.now(), tx.session)
            await self._audit.record(
                Act.ACCOUNT_CREATED,
                actor=account.subject,
                subject=account.subject,
                details={"by": "sign-up"},
                session=tx.session,
            )

        try:
            await self._outbox.transaction(store)
        except DuplicateKeyError as error:
            raise Taken from error
        cookie, session = await self._sessions.begin(account.subject, Method.PASSWORD, visit, instead_of=instead_of)
        return SignedIn(cookie, account, session)

    async def ask_for_reset(self, address: str, language: str, visit: Visit) -> Throttled | None:
        """Write to an address that has an account; for another one the same is done, except that nothing is sent."""
        username = mail_address(address) or normalised(address)
        if throttled := await self._throttled(username, visit):
            return throttled
        account = await self._accounts.named(username)
        recipient = account.address if account and account.password_hash else None
        now = self._clock.now()
        reset = Reset(new_id("rst"), account.subject if account and recipient else NOBODY, now + RESET_WITHIN)

        async def store(tx: Transaction) -> None:
            await self._repository.add_reset(reset, tx.session)
            kind = Kind.RESET_PASSWORD if recipient else Kind.NOBODY
            spoken = account.language if account and recipient else language
            await self._mail.write(kind, recipient or NOBODY, spoken, tx, about=reset.reset_id, useful=RESET_WITHIN)

        await self._outbox.transaction(store)
        return None

    async def resetting(self, link: str) -> tuple[Reset, Account]:
        """The account whose password a link may set. Raises LinkGone."""
        reset_id = self._links.read(Kind.RESET_PASSWORD, link)
        reset = await self._repository.find_reset(reset_id, self._clock.now()) if reset_id else None
        account = await self._accounts.find(reset.subject) if reset else None
        if reset is None or account is None:
            raise LinkGone
        return reset, account

    async def reset(self, link: str, new: str) -> Weakness | None:
        """Set a new password and end every session. Raises LinkGone."""
        reset, account = await self.resetting(link)
        if weakness := weakness_of(new, account.username, account.display_name, account.organisation_name):
            return weakness

        async def use(tx: Transaction) -> None:
            if not await self._repository.use_reset(reset, tx.session):
                raise LinkGone

        await self._profiles.set_password(account, new, Act.PASSWORD_RESET, also=use)
        return None

    async def _throttled(self, username: str, visit: Visit) -> Throttled | None:
        wait = await self._throttle.take(MAILS_FROM, visit.network) or await self._throttle.take(MAILS_TO, username)
        return Throttled(wait) if wait else None
