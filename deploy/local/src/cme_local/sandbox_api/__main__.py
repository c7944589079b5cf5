"""`python -m cme_local.sandbox_api FD`: serve the sandbox on a socket that listens already, until nobody needs it.

`python -m cme_local.sandbox_api fill` fills one that is deployed elsewhere, and ends.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from contextlib import suppress

import structlog
import uvicorn
from cme_kit.mongo import Database
from cme_kit.telemetry import configure_logging, start_tracing
from gateway.edge.routes import Routes

from cme_local.errors import StackError
from cme_local.sandbox_api.app import Door, Services, build_apps, running
from cme_local.sandbox_api.filling import DATABASE, Filling
from cme_local.sandbox_api.settings import SandboxSettings

NAME = "sandbox"
#: Python has been starting for a while by now.
BEGAN = time.monotonic() - 1.0
log = structlog.get_logger(__name__)


async def serve(listening: socket.socket, settings: SandboxSettings) -> None:
    """Start the services, fill them the first time, answer, and end after a while without requests."""
    own = settings.of_process()
    apps = build_apps(settings.services)
    configure_logging(NAME, own.log_format)
    database = Database.connect(own.mongo_url.get_secret_value(), DATABASE, own.mongo_driver, own.database_prefix)
    filling = Filling(database, own.public_url, settings.issuer, settings.mail_url)
    services = Services(apps, Routes.load())
    door = Door(services, BEGAN)
    config = uvicorn.Config(
        door,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=16_384,
    )
    server = uvicorn.Server(config)

    async def prepare() -> None:
        try:
            if not await filling.is_done():
                await filling.fill(services, list(apps.values()))
        except (StackError, BaseExceptionGroup) as failure:
            # What is there can be used; the next start goes on where this one ended.
            log.exception("the sandbox could not be filled", exc_info=failure)
        # Not before: nobody wants the trace of a filling.
        start_tracing(NAME, own)
        door.open.set()
        while (quiet := door.quiet_seconds()) < settings.idle_seconds:  # noqa: ASYNC110 -- every visitor puts it off
            await asyncio.sleep(settings.idle_seconds - quiet)

    async with running(apps):
        preparing = asyncio.create_task(prepare(), name="prepare")
        preparing.add_done_callback(lambda _: setattr(server, "should_exit", True))
        await server.serve(sockets=[listening])
        preparing.cancel()
        with suppress(asyncio.CancelledError):
            await preparing
    await database.close()


async def fill(settings: SandboxSettings) -> None:
    """Fill a sandbox that other processes serve, if it was not. Raises StackError, or a group of it."""
    own = settings.of_process()
    apps = build_apps(settings.services)
    configure_logging(NAME, own.log_format)
    database = Database.connect(own.mongo_url.get_secret_value(), DATABASE, own.mongo_driver, own.database_prefix)
    filling = Filling(database, own.public_url, settings.issuer, settings.mail_url)
    async with running(apps):
        if not await filling.is_done():
            await filling.fill(Services(apps, Routes.load()), list(apps.values()))
    await database.close()


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        asyncio.run(fill(SandboxSettings.load()))
    else:
        asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), SandboxSettings.load()))
