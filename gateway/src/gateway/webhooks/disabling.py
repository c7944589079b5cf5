"""How receivers do: disabling a webhook whose receiver is gone or has failed for days, and telling its owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from cme_contracts import CloudEvent
from cme_contracts.envelope import SCHEMA_BASE
from cme_contracts.gateway import WebhookDisabled
from cme_kit.clock import Clock
from cme_kit.ids import new_event_id
from cme_kit.outbox import Outbox, Transaction

from gateway.audit.domain import Act
from gateway.audit.service import SYSTEM, Audit
from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.domain import Attempt, Delivery, Reason, State, Status, Verdict, Webhook
from gateway.webhooks.fan_out import FanOut, message_of
from gateway.webhooks.offering import DISABLED_TYPE
from gateway.webhooks.repository import WebhookRepository

#: Tells the person who made a client, in the transaction, that a webhook of it is disabled.
TellOwner = Callable[[Transaction, Client], Awaitable[None]]
log = structlog.get_logger(__name__)


class Disabling:
    """The end of a webhook that does not work."""

    def __init__(
        self,
        outbox: Outbox,
        webhooks: WebhookRepository,
        deliveries: DeliveryRepository,
        fan_out: FanOut,
        clients: Clients,
        tell_owner: TellOwner,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._fan_out = fan_out
        self._clients = clients
        self._tell_owner = tell_owner
        self._audit = audit
        self._clock = clock

    async def settle(
        self, tried: Webhook, delivery: Delivery, token: str, attempt: Attempt, verdict: Verdict
    ) -> Verdict:
        """Keep an attempt and what it says of the receiver; the verdict that holds.

        A webhook that ends gives up what is pending, and its owner is told by all ways there are. When its owner gave
        it another address meanwhile, an answer of the old one ends neither the webhook nor the delivery.
        """

        async def work(tx: Transaction) -> Verdict:
            webhook = await self._webhooks.find(tried.webhook_id, tx.session)
            if webhook is None or webhook.url != tried.url:
                there = verdict
                if verdict.disable is not None:
                    there = replace(verdict, state=State.PENDING, due=self._clock.now(), disable=None)
                await self._deliveries.settle(delivery, token, attempt, there, tx.session)
                return there
            if not await self._deliveries.settle(delivery, token, attempt, verdict, tx.session):
                return replace(verdict, disable=None)
            if verdict.disable is None:
                await self._webhooks.note_health(tried, verdict.failing_since, verdict.paused_until, tx.session)
            else:
                await self._disable(tx, webhook, verdict, verdict.disable)
            return verdict

        return await self._outbox.transaction(work)

    async def _disable(self, tx: Transaction, webhook: Webhook, verdict: Verdict, reason: Reason) -> None:
        now = self._clock.now()
        disabled = replace(
            webhook,
            status=Status.DISABLED,
            disabled_reason=reason,
            disabled_at=now,
            failing_since=verdict.failing_since,
            disablings=webhook.disablings + 1,
        )
        if not await self._webhooks.disable(disabled, tx.session):
            return  # its owner was quicker
        await self._deliveries.cancel(webhook.webhook_id, tx.session)
        body = WebhookDisabled(
            webhook_id=webhook.webhook_id,
            reason=reason.value,
            failing_since=verdict.failing_since if reason is Reason.FAILING else None,
            disabled_at=now,
        )
        event = CloudEvent(
            id=new_event_id(),
            source="/gateway",
            type=DISABLED_TYPE.type,
            subject=webhook.webhook_id,
            time=now,
            dataschema=SCHEMA_BASE + DISABLED_TYPE.schema_file,
            sequence=disabled.disablings,
            data=body.model_dump(mode="json"),
        )
        await self._fan_out.tell(tx, replace(message_of(event), client_id=webhook.client_id))
        details = {"client": webhook.client_id, "reason": reason.value}
        await self._audit.record(
            Act.WEBHOOK_DISABLED, actor=SYSTEM, subject=webhook.webhook_id, details=details, session=tx.session
        )
        client = await self._clients.find(webhook.client_id)
        if client is not None:
            await self._tell_owner(tx, client)
        log.warning("a webhook is disabled", webhook_id=webhook.webhook_id, reason=reason.value)
