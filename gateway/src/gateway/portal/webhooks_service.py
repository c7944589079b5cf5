"""The webhooks of a developer's applications: what the API does for a client's token, for the client's owner."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from cme_kit.http import IdempotentCreation
from cme_kit.outbox import Outbox
from cme_kit.problems import NotFound

from gateway.accounts.domain import Account
from gateway.clients.domain import Client
from gateway.portal.service import Portal
from gateway.webhooks.delivery_log import DeliveryLog
from gateway.webhooks.domain import Signing, State, Status
from gateway.webhooks.ids import message_id_of, webhook_id_of
from gateway.webhooks.samples import Samples
from gateway.webhooks.schemas import (
    DeliveryView,
    DeliveryWithAttempts,
    EventTypeView,
    ReplayRequest,
    WebhookChange,
    WebhookRequest,
    WebhookView,
)
from gateway.webhooks.service import MOST_WEBHOOKS, Made, Webhooks, secret_of

#: What a client needs to have webhooks; only systems can hold it.
SCOPE = "gateway.webhooks:write"
SHOWN_DELIVERIES = 25
#: How long the answer to a form waits for the receiver's answer, which mostly comes at once.
PATIENCE_SECONDS = 3.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Once:
    """A form that makes something: sent again, it makes nothing more and shows the same."""

    key: str
    creation: IdempotentCreation


class PortalWebhooks:
    """What a signed-in person does with the webhooks of the own applications."""

    def __init__(self, portal: Portal, webhooks: Webhooks, log: DeliveryLog, samples: Samples, outbox: Outbox) -> None:
        self._portal = portal
        self._webhooks = webhooks
        self._log = log
        self._samples = samples
        self._outbox = outbox

    def now(self) -> datetime:
        """This moment."""
        return self._portal.now()

    async def all(self, person: Account, client_id: str) -> tuple[Client, list[WebhookView]]:
        """An application and its webhooks. Raises NotFound."""
        client = await self._portal.application(person, client_id)
        return client, await self._webhooks.page(client, None, MOST_WEBHOOKS)

    async def one(self, person: Account, client_id: str, webhook_id: str) -> tuple[Client, WebhookView]:
        """An application and one of its webhooks. Raises NotFound."""
        client = await self.client(person, client_id)
        return client, await self._webhooks.find(client, webhook_id_of(webhook_id))

    async def client(self, person: Account, client_id: str) -> Client:
        """An application that may have webhooks. Raises NotFound."""
        client = await self._portal.application(person, client_id)
        if SCOPE not in client.scopes or not client.is_active:
            raise NotFound("application")
        return client

    def event_types(self, client: Client) -> list[EventTypeView]:
        """Every event that is offered, and whether the application may be told of it."""
        return self._webhooks.event_types(client).items

    async def create(self, person: Account, client_id: str, request: WebhookRequest, once: Once) -> Made:
        """Make a webhook. Raises NotFound, BadAddress, NotYours or TooManyWebhooks."""
        client = await self.client(person, client_id)
        await self._webhooks.check(client, request.url, request.event_types)
        key = self._webhooks.new_key(client, "portal", once.key)
        made = await once.creation(
            WebhookView, lambda tx: self._webhooks.create(tx, client, request, key, person.subject)
        )
        return Made(made, secret_of(made.signing, key))

    async def change(
        self, person: Account, client_id: str, webhook_id: str, change: WebhookChange, revision: int
    ) -> None:
        """Change a webhook. Raises NotFound, BadAddress, NotYours, or PreconditionFailed when it was changed since."""
        client = await self.client(person, client_id)
        await self._webhooks.check(client, change.url, change.event_types)
        await self._outbox.transaction(
            lambda tx: self._webhooks.change(tx, client, webhook_id_of(webhook_id), change, revision, person.subject)
        )

    async def set_status(self, person: Account, client_id: str, webhook_id: str, status: Status, revision: int) -> None:
        """Disable a webhook or make it active again. Raises NotFound or PreconditionFailed."""
        await self.change(person, client_id, webhook_id, WebhookChange(status=status), revision)

    async def rotate(
        self, person: Account, client_id: str, webhook_id: str, signing: Signing | None, once: Once
    ) -> Made:
        """Sign with a new key, and for a day with the old one too. Raises NotFound or TooManyKeys."""
        client = await self.client(person, client_id)
        id_ = webhook_id_of(webhook_id)
        key = self._webhooks.new_key(client, id_, once.key)
        made = await once.creation(
            WebhookView, lambda tx: self._webhooks.rotate(tx, client, id_, signing, key, person.subject)
        )
        return Made(made, secret_of(made.signing, key))

    async def remove(self, person: Account, client_id: str, webhook_id: str) -> None:
        """Forget a webhook. Raises NotFound."""
        client = await self.client(person, client_id)
        await self._outbox.transaction(
            lambda tx: self._webhooks.remove(tx, client, webhook_id_of(webhook_id), person.subject)
        )

    async def deliveries(
        self, person: Account, client_id: str, webhook_id: str, state: State | None, before: str | None
    ) -> list[DeliveryView]:
        """Deliveries before one, the newest first, one more than are shown. Raises NotFound."""
        client = await self.client(person, client_id)
        cursor = message_id_of(before) if before else None
        return await self._log.deliveries(client, webhook_id_of(webhook_id), state, cursor, SHOWN_DELIVERIES)

    async def delivery(
        self, person: Account, client_id: str, webhook_id: str, message_id: str
    ) -> tuple[Client, DeliveryWithAttempts]:
        """A delivery with its attempts. Raises NotFound."""
        client = await self.client(person, client_id)
        return client, await self._log.delivery(client, webhook_id_of(webhook_id), message_id_of(message_id))

    async def send_test(self, person: Account, client_id: str, webhook_id: str, type_: str) -> str:
        """Send a sample and wait a moment for the answer; the message's id.

        Raises NotFound, WebhookIsDisabled or TooManyTests.
        """
        client = await self.client(person, client_id)
        id_ = webhook_id_of(webhook_id)
        sent = await self._outbox.transaction(lambda tx: self._samples.send_test(tx, client, id_, type_))
        await self._answered(client, id_, sent.message_id, 0)
        return sent.message_id

    async def resend(self, person: Account, client_id: str, webhook_id: str, message_id: str) -> None:
        """Begin a delivery again and wait a moment for the answer. Raises NotFound or WebhookIsDisabled."""
        client = await self.client(person, client_id)
        ids = (webhook_id_of(webhook_id), message_id_of(message_id))
        sent = await self._outbox.transaction(lambda tx: self._log.resend(tx, client, *ids))
        await self._answered(client, *ids, sent.attempts)

    async def replay(self, person: Account, client_id: str, webhook_id: str, since: datetime) -> None:
        """Tell again what happened since a moment. Raises NotFound, WebhookIsDisabled or ReplayIsRunning."""
        client = await self.client(person, client_id)
        request = ReplayRequest(since=since)
        await self._outbox.transaction(lambda tx: self._log.replay(tx, client, webhook_id_of(webhook_id), request))

    async def _answered(self, client: Client, webhook_id: str, message_id: str, attempts: int) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + PATIENCE_SECONDS
        while loop.time() < give_up:
            found = await self._log.delivery(client, webhook_id, message_id)
            if found.attempts > attempts:
                return
            await asyncio.sleep(LOOK_SECONDS)
