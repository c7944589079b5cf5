"""The operations process as a client in this process, signed in with its token."""

from pathlib import Path

import httpx
from cme_local.ops.access import Access
from cme_local.ops.app import Shown, operations_app
from cme_local.ops.bus_figures import Bus
from cme_local.ops.letter_desk import Opening, operator_of
from cme_local.ops.live import Live, topics
from cme_local.ops.logs import Logs
from cme_local.ops.mailbox import Mailbox
from cme_local.ops.store import TraceStore

TOKEN = "the-token-of-the-stack-file"
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}
NO_STACK = operator_of(Path("/nowhere"))


def operator(
    store: TraceStore | None = None,
    mailbox: Mailbox | None = None,
    logs: Logs | None = None,
    *,
    bus: Bus | None = None,
    letters: Opening = NO_STACK,
    headers: dict[str, str] = SIGNED_IN,
) -> httpx.AsyncClient:
    """A client of the pages and of their API; nobody answers them unless a test says who."""
    kept = TraceStore() if store is None else store
    shown = Shown(kept, mailbox or Mailbox(), logs or Logs(None), bus or Bus(lambda _: None), letters)
    app = operations_app(shown, Access(TOKEN), Live(topics(lambda: kept.revision)), 8808)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8806", headers=headers)
