"""Mail: letters are written with what they tell of, and sent beside the requests until the relay takes them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from email.policy import SMTP as SMTP_POLICY
from email.utils import parseaddr
from urllib.parse import urlencode

import structlog
from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.leases import Lease
from cme_kit.mongo import PyMongoError
from cme_kit.outbox import Transaction
from cme_kit.pages.language import translations

from gateway.accounts.domain import Account
from gateway.mail.domain import Kind, Letter, compose, delay_after
from gateway.mail.repository import LetterRepository
from gateway.peppered import Pepper

BATCH = 50
SMTP_SECONDS = 15.0
#: Notices are of no use after a day; letters with links end with their links.
USEFUL = timedelta(days=1)
PERMANENT = range(500, 600)
#: Where the link of a letter leads; the others lead to the account page.
PAGES = {
    Kind.CONFIRM_ADDRESS: "/signup/confirm",
    Kind.RESET_PASSWORD: "/password/new",
    Kind.ADDRESS_KNOWN: "/login",
    **dict.fromkeys((Kind.WEBHOOK_DISABLED, Kind.ACCESS_APPROVED, Kind.ACCESS_REFUSED), "/portal"),
}
log = structlog.get_logger(__name__)


class Links:
    """The links in letters: an id and its tag, which nobody makes who has only the database."""

    def __init__(self, pepper: Pepper, public_url: str) -> None:
        self._pepper = pepper
        self._public_url = public_url

    def to(self, kind: Kind, about: str, language: str) -> str:
        """The address that a letter leads to, in its language."""
        page = PAGES.get(kind, "/account")
        link = {"link": f"{about}.{self._tag(kind, about)}"} if page.startswith(("/signup", "/password")) else {}
        return f"{self._public_url}{page}?{urlencode({**link, 'lang': language})}"

    def read(self, kind: Kind, link: str) -> str | None:
        """What a link of ours is about; None for any other."""
        about, _, tag = link.partition(".")
        return about if about and self._pepper.matches(tag, "mailed link", kind.value, about) else None

    def _tag(self, kind: Kind, about: str) -> str:
        return self._pepper.derive("mailed link", kind.value, about)


class Mail:
    """Everybody's letters."""

    def __init__(
        self,
        repository: LetterRepository,
        links: Links,
        lease: Lease,
        clock: Clock,
        relay: tuple[str, int],
        sender: str,
    ) -> None:
        self._repository = repository
        self._links = links
        self._lease = lease
        self._clock = clock
        self._host, self._port = relay
        self._sender = sender
        self.woken = asyncio.Event()

    async def write(
        self, kind: Kind, recipient: str, language: str, tx: Transaction, *, about: str = "", useful: timedelta = USEFUL
    ) -> None:
        """Write a letter in a transaction; it is sent after the commit, whatever is killed in between."""
        now = self._clock.now()
        letter = Letter(new_id("let"), kind, recipient, language, about, now, now + useful)
        await self._repository.add(letter, tx.session)
        tx.after_commit(self.woken.set)

    async def tell(self, account: Account, kind: Kind, tx: Transaction) -> None:
        """Tell somebody of a change of the own account (OWASP ASVS 5.0, 6.3.7) or an application, if there is an address."""
        if account.address is not None:
            await self.write(kind, account.address, account.language, tx)

    async def send_due(self) -> None:
        """Send what is due; one replica at a time does. Raises OSError while the relay is away.

        A process killed between the relay's answer and the next write sends that letter twice, never not at all.
        """
        if not await self._lease.held():
            return
        smtp: SMTP | None = None
        try:
            for letter in await self._repository.due(self._clock.now(), BATCH):
                if not await self._lease.held():
                    return
                if letter.kind is Kind.NOBODY:
                    await self._repository.done(letter.letter_id)
                    continue
                smtp = smtp or await self._connect()
                await self._send(smtp, letter)
        finally:
            if smtp is not None:
                smtp.close()

    async def resign(self) -> None:
        """Let another replica send at once."""
        with suppress(PyMongoError):  # it may after a while in any case
            await self._lease.give_up()

    async def _connect(self) -> SMTP:
        smtp = SMTP(hostname=self._host, port=self._port, timeout=SMTP_SECONDS)
        try:
            await smtp.connect()
        except SMTPException as error:
            raise ConnectionError(f"no SMTP relay at {self._host}:{self._port}") from error
        return smtp

    async def _send(self, smtp: SMTP, letter: Letter) -> None:
        link = self._links.to(letter.kind, letter.about, letter.language)
        say = translations(letter.language, ("gateway",)).gettext
        try:
            message = compose(letter, self._sender, link, say)
            await smtp.mail(parseaddr(self._sender)[1])
            await smtp.rcpt(letter.recipient)
            await smtp.data(message.as_bytes(policy=SMTP_POLICY))
        except ValueError as error:  # an address or a header that no relay could be told
            log.warning("letter cannot be sent", kind=letter.kind.value, error=type(error).__name__)
            await self._repository.done(letter.letter_id)
            await self._begin_again(smtp)
        except SMTPResponseException as error:
            log.warning("letter refused", kind=letter.kind.value, code=error.code)
            if error.code in PERMANENT:
                await self._repository.done(letter.letter_id)
            else:
                await self._later(letter)
            await self._begin_again(smtp)
        except SMTPException as error:
            await self._later(letter)
            raise ConnectionError("the SMTP relay broke off") from error
        else:
            await self._repository.done(letter.letter_id)

    async def _begin_again(self, smtp: SMTP) -> None:
        try:
            await smtp.rset()
        except SMTPException as error:
            raise ConnectionError("the SMTP relay broke off") from error

    async def _later(self, letter: Letter) -> None:
        await self._repository.again(letter.letter_id, self._clock.now() + delay_after(letter.tries + 1))
