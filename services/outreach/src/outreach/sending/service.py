"""The sender: one process at a time sends; each mail is claimed, handed over and confirmed one by one.

SMTP cannot give exactly-once. A claim is committed before the dialogue and confirmed after it, so a killed sender
leaves at most one row per connection in between: those become `in_doubt`, and only a person queues them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from email.utils import parseaddr
from functools import partial
from typing import TypeVar
from uuid import uuid4

import structlog
from cme_contracts.outreach import CampaignFinished
from cme_kit.clock import Clock
from cme_kit.mongo import PyMongoError
from cme_kit.outbox import Outbox, Transaction
from cme_kit.pages.language import translations
from cme_kit.telemetry import span

from outreach.addressing.domain import AddressKeys
from outreach.campaigns.domain import Campaign, CampaignState
from outreach.campaigns.repository import CampaignRepository
from outreach.contacts.domain import Contact
from outreach.contacts.repository import ContactRepository
from outreach.mail.domain import Letter, compose
from outreach.mail.service import MailRelay, RelayConnection, RelayUnavailable
from outreach.sending.domain import Send, SendState, after_handover, is_finished
from outreach.sending.repository import SendRepository

LEASE = timedelta(seconds=6)
POLL_SECONDS = 2.0
BATCH = 200
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


class Sender:
    """Sends the campaigns that were started."""

    def __init__(
        self,
        outbox: Outbox,
        campaigns: CampaignRepository,
        sends: SendRepository,
        contacts: ContactRepository,
        relay: MailRelay,
        keys: AddressKeys,
        clock: Clock,
        *,
        mail_from: str,
        public_url: str,
        connections: int,
    ) -> None:
        self._outbox = outbox
        self._campaigns = campaigns
        self._sends = sends
        self._contacts = contacts
        self._relay = relay
        self._keys = keys
        self._clock = clock
        self._mail_from = mail_from
        self._public_url = public_url
        self._connections = connections
        self._owner = uuid4().hex
        self._epoch = 0
        self._leading_until = clock.now()
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.woken = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled: at once after a start, every other second as the safety net."""
        while not self._stopping:
            self._idle.clear()
            try:
                await self._pass()
            except (PyMongoError, RelayUnavailable) as error:
                log.warning("sender waits", error=type(error).__name__, detail=str(error)[:200])
            finally:
                self._idle.set()
            with suppress(TimeoutError):  # the safety net: look again although nobody called
                async with asyncio.timeout(POLL_SECONDS):
                    await self.woken.wait()
            self.woken.clear()

    async def drain(self) -> None:
        """Finish the running dialogues and give the lease back, so that a restart leaves nothing in doubt."""
        self._stopping = True
        await self._idle.wait()
        if self._epoch:
            with suppress(PyMongoError):  # it ends by itself
                await self._sends.resign(self._owner, self._clock.now())

    async def _pass(self) -> None:
        campaigns = await self._campaigns.sending()
        if not campaigns or not await self._lead():
            return
        if doubtful := await self._sends.doubt_abandoned(self._epoch, self._clock.now()):
            log.warning("sends in doubt", count=doubtful)
        renewal = asyncio.create_task(self._keep_leading())
        try:
            for campaign in campaigns:
                await self._send_campaign(campaign)
        finally:
            renewal.cancel()

    async def _lead(self) -> bool:
        now = self._clock.now()
        epoch = await self._sends.lead(self._owner, now, now + LEASE)
        if epoch is None:
            return False
        self._epoch, self._leading_until = epoch, now + LEASE
        return True

    async def _keep_leading(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(PyMongoError):  # without renewal the workers stop by themselves
                await self._lead()

    async def _send_campaign(self, campaign: Campaign) -> None:
        with span("send campaign", attributes={"cme.campaign": campaign.campaign_id}):
            while due := await self._sends.due(campaign.campaign_id, self._clock.now(), BATCH):
                waiting = iter(due)
                workers = [self._work(campaign, waiting) for _ in range(min(self._connections, len(due)))]
                # Each worker ends its own dialogue before the first failure is raised.
                for outcome in await asyncio.gather(*workers, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
                if not self._may_go_on():
                    return
            await self._outbox.transaction(partial(self._finish, campaign))

    def _may_go_on(self) -> bool:
        return not self._stopping and self._clock.now() < self._leading_until

    async def _work(self, campaign: Campaign, waiting: Iterator[Send]) -> None:
        connection = self._relay.connection()
        try:
            for send in waiting:
                if not self._may_go_on():
                    return
                await connection.ready()
                await self._send_one(campaign, send, connection)
        finally:
            await connection.close()

    async def _send_one(self, campaign: Campaign, send: Send, connection: RelayConnection) -> None:
        claim_id = uuid4().hex
        try:
            claimed = await self._outbox.transaction(partial(self._claim, send, claim_id))
        except PyMongoError:
            # The claim may have been committed. Nothing was handed over, so giving it back is safe.
            release = partial(self._sends.conclude, send.send_id, claim_id, SendState.QUEUED, "", None)
            await self._until_written(lambda: release(self._clock.now()))
            return
        if claimed is None:
            return
        row, contact = claimed
        letter = self._letter(campaign, row, contact)
        say = translations(row.language, ("outreach",)).gettext
        message = compose(letter, say, self._clock.now())
        handover = await connection.hand_over(parseaddr(self._mail_from)[1], contact.address, message)
        following = after_handover(handover.result, row.attempts, self._clock.now())
        conclude = partial(
            self._sends.conclude, row.send_id, claim_id, following.state, handover.reply, following.not_before
        )
        await self._until_written(lambda: conclude(self._clock.now()))

    async def _claim(self, send: Send, claim_id: str, tx: Transaction) -> tuple[Send, Contact] | None:
        """Read consent and suppression again and claim, in one transaction.

        The contact is written as it is read: a withdrawal at the same moment conflicts, and whoever is second sees the first.
        """
        now = self._clock.now()
        contact = await self._contacts.read_for_claim(send.contact_id, now, tx.session)
        if contact is None:
            await self._sends.suppress(send.send_id, "contact.gone", now, tx.session)
            return None
        decision = contact.decide(send.purpose, send.country)
        if not decision.allowed:
            await self._sends.suppress(send.send_id, decision.rule_id, now, tx.session)
            return None
        row = await self._sends.claim(send.send_id, claim_id, self._epoch, decision.rule_id, now, tx.session)
        return None if row is None else (row, contact)

    def _letter(self, campaign: Campaign, send: Send, contact: Contact) -> Letter:
        language = send.language
        return Letter(
            sender=self._mail_from,
            recipient=contact.address,
            message_id=send.message_id,
            language=language,
            subject=campaign.subject[language],
            body=campaign.body[language],
            action=campaign.action[language],
            interest_url=f"{self._public_url}/outreach/interest/{self._keys.token('interest', send.send_id)}",
            unsubscribe_url=f"{self._public_url}/outreach/unsubscribe/{self._keys.token('unsubscribe', send.send_id)}",
            obtained_from=contact.obtained_from or contact.source,
        )

    async def _until_written(self, write: Callable[[], Awaitable[Result]]) -> Result:
        """Write what only this process knows, however long the database is away."""
        while True:
            try:
                return await write()
            except PyMongoError as error:
                log.warning("sender cannot write its result yet", error=type(error).__name__)
                await asyncio.sleep(0.3)

    async def _finish(self, campaign: Campaign, tx: Transaction) -> None:
        counts = await self._sends.counts(campaign.campaign_id, tx.session)
        if not is_finished(counts):
            return
        now = self._clock.now()
        moved = await self._campaigns.move_on(
            campaign.campaign_id, CampaignState.SENDING, CampaignState.FINISHED, now, tx.session
        )
        if moved is not None:
            figures = {state.value: counts.get(state, 0) for state in SendState}
            figures = {name: figures[name] for name in ("sent", "failed", "suppressed", "in_doubt")}
            await tx.emit(campaign.campaign_id, CampaignFinished(campaign_id=campaign.campaign_id, **figures))
