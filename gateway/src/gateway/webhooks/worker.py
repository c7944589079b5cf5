"""Makes the attempts that are due: each once, whichever replica it is; a slow receiver holds up nobody else."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from cme_kit.clock import Clock
from cme_kit.failpoints import failpoint
from cme_kit.mongo import PyMongoError
from cme_kit.problems import current_trace_id
from cme_kit.telemetry import mark_failed, span
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue
from yarl import URL

from gateway.clients.service import Clients
from gateway.webhooks import figures
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.disabling import Disabling
from gateway.webhooks.domain import Attempt, Delivery, Message, Status, Verdict, Webhook, judge
from gateway.webhooks.messages import MessageRepository
from gateway.webhooks.repository import WebhookRepository
from gateway.webhooks.sending import Sender
from gateway.webhooks.signing import Keys

#: Attempts to one receiver at once.
PER_WEBHOOK = 5
#: Attempts of this process at once: many slow receivers together hold up no quick one.
AT_ONCE = 250
#: How soon another replica looks for what a killed one left, after its claims ended.
SWEEP_SECONDS = 15.0
#: How much longer than a request may take its claim holds.
CLAIM_MARGIN = timedelta(seconds=5)
#: Waiting times before an outcome is stored again while the database is away; then its claim has ended.
STORE_AGAIN = (0.2, 1.0, 3.0)
DATABASE_PAUSE = 0.5
log = structlog.get_logger(__name__)


def chance() -> float:
    """Between -1 and 1: what decides the jitter."""
    return random.uniform(-1, 1)  # noqa: S311  (spreads load, guards nothing)


@dataclass(frozen=True)
class Stores:
    """What the worker reads and writes."""

    webhooks: WebhookRepository
    messages: MessageRepository
    deliveries: DeliveryRepository


class Worker:
    """The attempts of this process."""

    def __init__(
        self,
        stores: Stores,
        clients: Clients,
        keys: Keys,
        sender: Sender,
        disabling: Disabling,
        clock: Clock,
        timeout_seconds: float,
    ) -> None:
        self._webhooks, self._messages, self._deliveries = stores.webhooks, stores.messages, stores.deliveries
        self._clients = clients
        self._keys = keys
        self._sender = sender
        self._disabling = disabling
        self._clock = clock
        self._claim = timedelta(seconds=timeout_seconds) + CLAIM_MARGIN
        self._token = uuid4().hex
        #: When to look at a webhook, as far as this process knows.
        self._looks: dict[str, datetime] = {}
        self._making: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._swept_at = float("-inf")
        #: Other work of every sweep, such as replays.
        self.besides: Callable[[], Awaitable[object]] | None = None

    def wake(self, webhook_ids: Iterable[str], at: datetime | None = None) -> None:
        """Look at these webhooks, at once unless told when."""
        moment = at or self._clock.now()
        for webhook_id in webhook_ids:
            self._looks[webhook_id] = min(moment, self._looks.get(webhook_id, moment))
        self._woken.set()

    def sweep_now(self) -> None:
        """Look at everything at once."""
        self._swept_at = float("-inf")
        self._woken.set()

    async def run(self) -> None:
        """Make attempts until cancelled; while the database is away, wait for it."""
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            try:
                if loop.time() - self._swept_at >= SWEEP_SECONDS:
                    await self.sweep()
                    self._swept_at = loop.time()
                await self.look()
            except (PyMongoError, OSError, TimeoutError) as error:
                log.warning("webhooks wait for the database", error=type(error).__name__)
                await asyncio.sleep(DATABASE_PAUSE)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause(SWEEP_SECONDS - (loop.time() - self._swept_at))):
                    await self._woken.wait()

    async def sweep(self) -> None:
        """Find what is due that this process does not know of: another one made it, or was killed over it."""
        now = self._clock.now()
        backlogs = await self._deliveries.backlogs(now)
        paused = await self._webhooks.paused([backlog.webhook_id for backlog in backlogs], now)
        waiting = [backlog for backlog in backlogs if backlog.webhook_id not in paused]
        figures.note_backlog(sum(b.count for b in waiting), min((b.oldest for b in waiting), default=None), now)
        self.wake(backlog.webhook_id for backlog in backlogs)
        if self.besides is not None:
            await self.besides()

    async def look(self) -> None:
        """Begin the attempts that are due and have room."""
        now = self._clock.now()
        for webhook_id in [w for w, moment in self._looks.items() if moment <= now]:
            free = min(PER_WEBHOOK - self._making[webhook_id], AT_ONCE - len(self._tasks))
            if free <= 0:  # it is looked at when one of the running ones ends
                continue
            # Before the database is asked: whoever wakes it from here on may have stored what the answer lacks.
            moment = self._looks.pop(webhook_id)
            try:
                await self._begin(webhook_id, now, free)
            except BaseException:
                self.wake([webhook_id], moment)
                raise

    async def stop(self, seconds: float) -> None:
        """Let attempts end for some seconds; what is broken off then is due again at once."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _pause(self, until_sweep: float) -> float:
        if not self._looks or len(self._tasks) >= AT_ONCE:
            return max(until_sweep, 0)
        now = self._clock.now()
        waiting = [(moment - now).total_seconds() for w, moment in self._looks.items() if self._making[w] < PER_WEBHOOK]
        return max(0.0, min([until_sweep, *waiting]))

    async def _begin(self, webhook_id: str, now: datetime, free: int) -> None:
        webhook = await self._webhooks.find(webhook_id)
        if webhook is None:
            await self._deliveries.remove(webhook_id)
        client = await self._clients.active(webhook.client_id) if webhook else None
        if webhook is None or client is None or webhook.status is not Status.ACTIVE:
            await self._deliveries.cancel(webhook_id)
            return
        if webhook.paused_until is not None and webhook.paused_until > now:
            self.wake([webhook_id], webhook.paused_until)
            return
        upcoming = await self._deliveries.upcoming(webhook_id, free + 1)
        due = [delivery for delivery in upcoming[:free] if delivery.due is not None and delivery.due <= now]
        if len(upcoming) > len(due):
            self.wake([webhook_id], upcoming[len(due)].due)
        for delivery in due:
            token = f"{self._token} {uuid4().hex}"
            if not await self._deliveries.claim(delivery, token, now + self._claim):
                continue  # another replica makes it
            self._making[webhook_id] += 1
            task = asyncio.create_task(self._make(webhook, delivery, token), name=f"webhook {webhook_id}")
            self._tasks.add(task)
            task.add_done_callback(lambda done, of=webhook_id: self._made(done, of))  # type: ignore[misc]

    def _made(self, task: asyncio.Task[None], webhook_id: str) -> None:
        self._tasks.discard(task)
        self._making[webhook_id] -= 1
        if not self._making[webhook_id]:
            del self._making[webhook_id]
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its claim ends, then it is made again.
            log.error("an attempt failed on our side", webhook_id=webhook_id, exc_info=error)

    async def _make(self, webhook: Webhook, delivery: Delivery, token: str) -> None:
        message = await self._messages.find(delivery.message_id)
        if message is None:  # its time was up
            await self._deliveries.give_up(delivery, token)
            return
        try:
            attempt = await self._attempt(webhook, delivery, message)
        except asyncio.CancelledError:
            await self._deliveries.release(delivery, token, self._clock.now())
            raise
        await failpoint("webhook.sent")
        verdict = judge(webhook, delivery.step, attempt, self._clock.now(), chance())
        for pause in (*STORE_AGAIN, None):
            try:
                verdict = await self._settle(webhook, delivery, token, attempt, verdict)
                break
            except PyMongoError as error:
                if pause is None:
                    raise
                log.warning("an attempt's outcome is not stored yet", error=type(error).__name__)
                await asyncio.sleep(pause)
        figures.note_attempt(attempt, verdict)
        if verdict.due is not None:
            self.wake([webhook.webhook_id], verdict.due)

    async def _attempt(self, webhook: Webhook, delivery: Delivery, message: Message) -> Attempt:
        now = self._clock.now()
        headers = self._keys.headers(webhook.webhook_id, webhook.keys, message.message_id, message.body, now)
        attributes: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "http.request.resend_count": delivery.step,
            "server.address": URL(webhook.url).host or "",
            "messaging.message.id": message.message_id,
            "cme.webhook.id": webhook.webhook_id,
            "cme.webhook.event_type": message.type,
        }
        name = f"webhook {message.type.removeprefix('com.clustereducation.')}"
        with span(name, SpanKind.CLIENT, attributes, traceparent=message.traceparent) as current:
            trace_id = current_trace_id()
            answer = await self._sender.send(webhook.url, headers, message.body)
            if answer.status is not None:
                current.set_attribute("http.response.status_code", answer.status)
            attempt = Attempt(
                at=now,
                milliseconds=answer.milliseconds,
                cause=delivery.cause,
                headers=headers,
                status=answer.status,
                error=answer.error,
                response=answer.body,
                retry_after=answer.retry_after,
                trace_id=trace_id,
            )
            if not attempt.succeeded:
                mark_failed(current, answer.error or f"status {answer.status}")
        return attempt

    async def _settle(
        self, webhook: Webhook, delivery: Delivery, token: str, attempt: Attempt, verdict: Verdict
    ) -> Verdict:
        """Keep what came of an attempt; the verdict that holds."""
        as_before = (verdict.failing_since, verdict.paused_until) == (webhook.failing_since, webhook.paused_until)
        if verdict.disable is not None or not as_before:
            return await self._disabling.settle(webhook, delivery, token, attempt, verdict)
        await self._deliveries.settle(delivery, token, attempt, verdict)
        return verdict
