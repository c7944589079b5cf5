"""What all who are compared in `cme bench events` share: the engines' users, the event, and the broker's own pace."""

import asyncio
import time

import nats
from cme_contracts import CloudEvent
from cme_contracts.enrolment import OrganisationRegistered
from cme_contracts.envelope import CONTENT_TYPE, SCHEMA_BASE
from cme_contracts.registry import event_type_of
from cme_kit.clock import SystemClock
from cme_kit.ids import new_event_id
from cme_kit.streams import stream_of
from nats.aio.client import Client
from nats.js import JetStreamContext

EVENT = event_type_of(OrganisationRegistered)
STREAM = stream_of(EVENT)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def registered(organisation_id: str) -> OrganisationRegistered:
    """The event that is written, published and applied."""
    return OrganisationRegistered(
        organisation_id=organisation_id, name="Baltic Wood Cluster", country="LT", kind="cluster"
    )


def envelope(organisation_id: str) -> CloudEvent:
    """The event as it travels."""
    return CloudEvent(
        id=new_event_id(),
        source=f"/{EVENT.service}",
        type=EVENT.type,
        subject=organisation_id,
        time=SystemClock().now(),
        dataschema=SCHEMA_BASE + EVENT.schema_file,
        sequence=1,
        traceparent=TRACEPARENT,
        data=registered(organisation_id).model_dump(mode="json"),
    )


async def publish(jetstream: JetStreamContext, count: int, at_once: int) -> float:
    """Publish events, `at_once` of them waiting for their acknowledgement at any time; events per second."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            event = envelope(f"org_{number}")
            headers = {"Nats-Msg-Id": str(event.id), "content-type": CONTENT_TYPE, "traceparent": TRACEPARENT}
            body = event.model_dump_json(exclude_none=True).encode()
            await jetstream.publish(EVENT.subject, body, timeout=30, headers=headers)

    began = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return count / (time.monotonic() - began)


async def connected(url: str, user: str, password: str) -> Client:
    """A client of the broker."""
    return await nats.connect(url, user=user, password=password)
