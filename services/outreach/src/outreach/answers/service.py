"""What contacts answer by the links in a mail: no more mails, or interest. The token in the link says who."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cme_kit.clock import Clock
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import NotFound, ServiceError, Unprocessable

from outreach.addressing.domain import AddressKeys
from outreach.consents.domain import ALL_PURPOSES, Purpose
from outreach.consents.service import Consents
from outreach.contacts.repository import SuppressionRepository
from outreach.sending.domain import Send
from outreach.sending.repository import SendRepository
from outreach.touchpoints.service import Touchpoints

INTERESTS = ("guide", "webinar", "call_me")
INTEREST_DAYS = timedelta(days=180)


class LinkExpired(ServiceError):
    """Links that record something end; the one that stops mails never does."""

    code, status = "link_expired", 410


class UnknownInterest(Unprocessable):
    """Not one of the answers on the page."""

    code = "unknown_interest"


@dataclass(frozen=True)
class Subscription:
    """What an unsubscribe link is about."""

    send: Send
    stopped: bool
    stopped_all: bool

    @property
    def purpose(self) -> Purpose:
        """The kind of mail."""
        return self.send.purpose


class Answers:
    """Acts of contacts through the links in a mail."""

    def __init__(
        self,
        outbox: Outbox,
        sends: SendRepository,
        suppressions: SuppressionRepository,
        consents: Consents,
        touchpoints: Touchpoints,
        keys: AddressKeys,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._sends = sends
        self._suppressions = suppressions
        self._consents = consents
        self._touchpoints = touchpoints
        self._keys = keys
        self._clock = clock

    async def _send(self, link: str, token: str) -> Send:
        send_id = self._keys.send_of(link, token)
        send = await self._sends.find(send_id) if send_id else None
        if send is None:
            raise NotFound("mail")
        return send

    async def subscription(self, token: str) -> Subscription:
        """What a link is about; changes nothing. Raises NotFound."""
        send = await self._send("unsubscribe", token)
        scopes = (await self._suppressions.among([send.address_hash])).get(send.address_hash, {})
        return Subscription(send, send.purpose in scopes or ALL_PURPOSES in scopes, ALL_PURPOSES in scopes)

    async def unsubscribe(self, token: str, *, everything: bool) -> Subscription:
        """No more mails of this kind, or of any, to this address; twice is harmless. Raises NotFound."""
        before = await self.subscription(token)
        if before.stopped_all or (before.stopped and not everything):
            return before
        scope = ALL_PURPOSES if everything else before.purpose.value

        async def work(tx: Transaction) -> None:
            proof = f"unsubscribe link of {before.send.send_id}"
            await self._consents.object(tx, before.send.address_hash, before.purpose, scope, proof)

        await self._outbox.transaction(work)
        return Subscription(before.send, stopped=True, stopped_all=everything)

    async def invitation(self, token: str) -> Send:
        """The mail that an interest link belongs to; changes nothing. Raises NotFound or LinkExpired."""
        send = await self._send("interest", token)
        if send.claimed_at is not None and self._clock.now() > send.claimed_at + INTEREST_DAYS:
            raise LinkExpired("This link was good for 180 days. Write to us instead.")
        return send

    async def register_interest(self, token: str, interest: str) -> None:
        """Record what a contact wishes; twice is harmless. Raises NotFound, LinkExpired or UnknownInterest."""
        send = await self.invitation(token)
        if interest not in INTERESTS:
            raise UnknownInterest(f"Choose one of {', '.join(INTERESTS)}.")

        async def work(tx: Transaction) -> None:
            fresh = await self._sends.find(send.send_id, tx.session)
            assert fresh is not None  # sends are never deleted
            await self._touchpoints.register_interest(tx, fresh, interest)

        await self._outbox.transaction(work)
