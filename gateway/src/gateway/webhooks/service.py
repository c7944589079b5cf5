"""What clients do with their webhooks. Another client's webhook is an unknown one.

Handlers call it for the client of a token; pages call it for a client whose owner is signed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cme_kit.clock import Clock
from cme_kit.http import stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, FieldError, NotFound, Unprocessable

from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.clients.domain import Client
from gateway.webhooks import views
from gateway.webhooks.addresses import BadUrl, Guard
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.domain import OVERLAP, Reason, Signing, Status, Webhook
from gateway.webhooks.offering import OFFERED, may_know
from gateway.webhooks.repository import WebhookRepository
from gateway.webhooks.schemas import (
    EventTypeList,
    WebhookChange,
    WebhookRequest,
    WebhookView,
)
from gateway.webhooks.signing import Keys, shown_secret

MOST_WEBHOOKS = 20
#: The one in use, and two that it replaced within a day.
MOST_KEYS = 3


class BadAddress(Unprocessable):
    """No webhook may be sent there."""

    code = "bad_webhook_address"


class NotYours(Unprocessable):
    """The client has not the scope to be told of an event."""

    code = "event_not_available"


class TooManyWebhooks(Conflict):
    """A client has as many webhooks as it may."""

    code = "too_many_webhooks"


class TooManyKeys(Conflict):
    """A webhook was rotated too often within a day."""

    code = "too_many_keys"


class WebhookIsDisabled(Conflict):
    """Nothing is sent to a disabled webhook."""

    code = "webhook_disabled"


@dataclass(frozen=True)
class Made:
    """A webhook with the secret of its new key; None when the key is an asymmetric one."""

    webhook: WebhookView
    secret: str | None


class Webhooks:
    """The webhooks of all clients."""

    def __init__(
        self,
        webhooks: WebhookRepository,
        deliveries: DeliveryRepository,
        keys: Keys,
        guard: Guard,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._keys = keys
        self._guard = guard
        self._audit = audit
        self._clock = clock
        #: Told of webhooks that were removed with what is due.
        self.on_removal: Callable[[list[str]], None] = lambda _webhook_ids: None

    async def check(self, client: Client, url: str | None, event_types: list[str] | None) -> None:
        """What can be wrong about an address and events, before a transaction. Raises BadAddress or NotYours."""
        unknown = [type_ for type_ in event_types or () if not may_know(client, type_)]
        if unknown:
            needed = ", ".join(sorted({str(OFFERED[type_].scope) for type_ in unknown}))
            raise NotYours(f"This client needs {needed} to be told of {', '.join(unknown)}.")
        if url is not None:
            try:
                await self._guard.check(url)
            except BadUrl as error:
                problem = FieldError(field="body.url", code="bad_webhook_address", detail=str(error))
                raise BadAddress(f"Nothing may be sent to this address: {error}.", errors=[problem]) from error

    def new_key(self, client: Client, place: str, once_key: str | None) -> bytes:
        """The key of a webhook to make, or to rotate; the same again for the same idempotency key at the same place."""
        return self._keys.secret(f"{client.client_id} {place}", once_key)

    async def create(
        self, tx: Transaction, client: Client, request: WebhookRequest, key: bytes, actor: str
    ) -> WebhookView:
        """Make a webhook; `check` it before. Raises TooManyWebhooks."""
        if await self._webhooks.count_of_client(client.client_id, tx.session) >= MOST_WEBHOOKS:
            raise TooManyWebhooks(f"This client has {MOST_WEBHOOKS} webhooks. Remove one first.")
        now, webhook_id = self._clock.now(), new_id("hook")
        webhook = Webhook(
            webhook_id=webhook_id,
            client_id=client.client_id,
            url=request.url,
            event_types=frozenset(request.event_types),
            description=request.description,
            keys=(self._keys.make(webhook_id, request.signing, key, now),),
            created=now,
        )
        await self._webhooks.add(webhook, tx.session)
        await self._record(tx, Act.WEBHOOK_CREATED, webhook, actor)
        return views.webhook(webhook, now)

    async def page(self, client: Client, after: str | None, limit: int) -> list[WebhookView]:
        """A client's webhooks after a cursor, one more than `limit`."""
        now = self._clock.now()
        return [views.webhook(w, now) for w in await self._webhooks.of_client(client.client_id, after, limit)]

    async def find(self, client: Client, webhook_id: str) -> WebhookView:
        """A webhook of a client. Raises NotFound."""
        return views.webhook(await self.own(client, webhook_id), self._clock.now())

    async def change(
        self, tx: Transaction, client: Client, webhook_id: str, change: WebhookChange, revision: int, actor: str
    ) -> WebhookView:
        """Change a webhook; `check` it before. Raises NotFound, or PreconditionFailed when it was changed since."""
        webhook = await self.own(client, webhook_id, tx)
        changed = replace(
            webhook,
            url=webhook.url if change.url is None else change.url,
            event_types=webhook.event_types if change.event_types is None else frozenset(change.event_types),
            description=webhook.description if change.description is None else change.description,
        )
        now = self._clock.now()
        if change.status is Status.DISABLED and webhook.status is Status.ACTIVE:
            changed = replace(changed, status=Status.DISABLED, disabled_reason=Reason.OWNER, disabled_at=now)
            await self._deliveries.cancel(webhook_id, tx.session)
        if change.status is Status.ACTIVE and webhook.status is Status.DISABLED:
            well = {"disabled_reason": None, "disabled_at": None, "failing_since": None, "paused_until": None}
            changed = replace(changed, status=Status.ACTIVE, **well)  # type: ignore[arg-type]
        if webhook.revision != revision or not await self._webhooks.replace(changed, revision, tx.session):
            raise stale()
        await self._record(tx, Act.WEBHOOK_CHANGED, changed, actor)
        return views.webhook(replace(changed, revision=revision + 1), now)

    async def remove(self, tx: Transaction, client: Client, webhook_id: str, actor: str) -> None:
        """Forget a webhook and what was delivered to it. Raises NotFound."""
        webhook = await self.own(client, webhook_id, tx)
        await self._webhooks.remove(webhook_id, tx.session)
        await self._record(tx, Act.WEBHOOK_REMOVED, webhook, actor)
        tx.after_commit(lambda: self.on_removal([webhook_id]))  # the worker removes its deliveries

    async def remove_all(self, tx: Transaction, client_id: str) -> None:
        """Forget the webhooks of a client that is removed itself."""
        found = await self._webhooks.of_client(client_id, None, MOST_WEBHOOKS, tx.session)
        ids = [webhook.webhook_id for webhook in found]
        for webhook_id in ids:
            await self._webhooks.remove(webhook_id, tx.session)
        if ids:
            tx.after_commit(lambda: self.on_removal(ids))

    async def rotate(
        self, tx: Transaction, client: Client, webhook_id: str, signing: Signing | None, key: bytes, actor: str
    ) -> WebhookView:
        """Give a webhook a new key; the one before signs as well for 24 hours. Raises NotFound or TooManyKeys."""
        webhook = await self.own(client, webhook_id, tx)
        now = self._clock.now()
        kept = [k if k.ends is not None else replace(k, ends=now + OVERLAP) for k in webhook.keys if k.signs(now)]
        if len(kept) >= MOST_KEYS:
            raise TooManyKeys("This webhook was rotated twice within 24 hours. Wait until an old key has ended.")
        fresh = self._keys.make(webhook_id, signing or webhook.signing, key, now)
        rotated = replace(webhook, keys=(*kept, fresh))
        await self._webhooks.replace(rotated, webhook.revision, tx.session)
        await self._record(tx, Act.WEBHOOK_KEY_ROTATED, webhook, actor)
        return views.webhook(replace(rotated, revision=webhook.revision + 1), now)

    def event_types(self, client: Client) -> EventTypeList:
        """Every event that is offered, and whether this client may be told of it."""
        items = [one.model_copy(update={"available": may_know(client, one.type)}) for one in views.event_types()]
        return EventTypeList(items=items)

    async def own(self, client: Client, webhook_id: str, tx: Transaction | None = None) -> Webhook:
        """A webhook of a client. Raises NotFound."""
        webhook = await self._webhooks.find(webhook_id, tx.session if tx else None)
        if webhook is None or webhook.client_id != client.client_id:
            raise NotFound("webhook")
        return webhook

    async def active(self, client: Client, webhook_id: str, tx: Transaction) -> Webhook:
        """A webhook of a client that is not disabled. Raises NotFound or WebhookIsDisabled."""
        webhook = await self.own(client, webhook_id, tx)
        if webhook.status is not Status.ACTIVE:
            raise WebhookIsDisabled("This webhook is disabled. Make it active first.")
        return webhook

    async def _record(self, tx: Transaction, act: Act, webhook: Webhook, actor: str) -> None:
        details = {"client": webhook.client_id, "revision": str(webhook.revision)}
        await self._audit.record(act, actor=actor, subject=webhook.webhook_id, details=details, session=tx.session)


def secret_of(signing: Signing, key: bytes) -> str | None:
    """What is shown once of a new key."""
    return shown_secret(key) if signing is Signing.SYMMETRIC else None
