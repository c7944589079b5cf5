"""`python -m cme_local.ops TRACES_PORT MAIL_PORT SMTP_PORT`: trace store and mail catcher on the loopback address."""

import asyncio
import socket
import sys
from functools import partial

import uvicorn
from aiosmtpd.smtp import SMTP

from cme_local.ops import audit
from cme_local.ops.access import Access
from cme_local.ops.app import Shown, operations_app
from cme_local.ops.bus_figures import Bus, scrape
from cme_local.ops.letter_desk import operator_of
from cme_local.ops.live import Live, topics
from cme_local.ops.logs import Logs
from cme_local.ops.mailbox import MAX_MESSAGE_BYTES, Mailbox
from cme_local.ops.settings import OperationsSettings
from cme_local.ops.store import TraceStore

ADDRESS = "127.0.0.1"


class _Server(uvicorn.Server):
    """Ends the streams of news before it waits for open connections."""

    def __init__(self, live: Live, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as the base does."""
        self._live.close()
        await super().shutdown(sockets)


async def serve(settings: OperationsSettings, traces_port: int, mail_port: int, smtp_port: int) -> None:
    """Run until SIGTERM. One application answers on both HTTP ports."""
    mailbox = Mailbox()
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, hostname="mail.cme.local", data_size_limit=MAX_MESSAGE_BYTES, enable_SMTPUTF8=True),
        ADDRESS,
        smtp_port,
    )
    store = TraceStore()
    live = Live(topics(lambda: store.revision))
    bus = Bus(partial(scrape, settings.data))
    shown = Shown(store, mailbox, Logs(settings.data / "logs"), bus, operator_of(settings.data))
    app = operations_app(shown, Access(settings.token), live, mail_port)
    auditor = audit.Audit(audit.Engines.from_environment())
    app.router.routes.extend(audit.routes(auditor))
    server = _Server(live, uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    listening = [socket.create_server((ADDRESS, port)) for port in (traces_port, mail_port)]
    auditing = asyncio.create_task(auditor.run())
    try:
        async with smtp:
            await server.serve(sockets=listening)
    finally:
        auditing.cancel()


if __name__ == "__main__":
    asyncio.run(serve(OperationsSettings.load(), *(int(argument) for argument in sys.argv[1:4])))
