"""Staying with the majority: a server that is cut off from the others keeps its clients, and can do nothing for them."""

from __future__ import annotations

import asyncio
import time

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

ASK_SECONDS = 2.0
#: An election takes 4 to 9 s: what lasts longer is a server without a majority.
LEADERLESS_SECONDS = 10.0
log = structlog.get_logger(__name__)


async def stay_with_the_majority(client: Client, jetstream: JetStreamContext, stream: str) -> None:
    """Go to another server whenever this one has known no leader of `stream` for LEADERLESS_SECONDS, until cancelled.

    The client itself leaves only a server that does not answer its pings.
    """
    led_at = time.monotonic()
    while True:
        await asyncio.sleep(ASK_SECONDS)
        if not client.is_connected or await _is_led(jetstream, stream):
            led_at = time.monotonic()
        elif time.monotonic() - led_at > LEADERLESS_SECONDS:
            log.warning("the server knows no leader; going to another one", stream=stream)
            await client.force_reconnect()
            led_at = time.monotonic()


async def _is_led(jetstream: JetStreamContext, stream: str) -> bool:
    try:
        told = await jetstream.stream_info(stream)
    except NotFoundError:  # says the leader of all
        return True
    except (NatsError, OSError, TimeoutError):
        return False
    return told.cluster is None or told.cluster.leader is not None
