"""The operations process as a client in this process, signed in with its token."""

import httpx
from cme_local.ops.access import Access
from cme_local.ops.app import operations_app
from cme_local.ops.logs import Logs
from cme_local.ops.mailbox import Mailbox
from cme_local.ops.store import TraceStore

TOKEN = "the-token-of-the-stack-file"
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}


def operator(
    store: TraceStore | None = None,
    mailbox: Mailbox | None = None,
    logs: Logs | None = None,
    *,
    headers: dict[str, str] = SIGNED_IN,
) -> httpx.AsyncClient:
    """A client of the pages and of their API."""
    kept = TraceStore() if store is None else store
    app = operations_app(kept, mailbox or Mailbox(), logs or Logs(None), Access(TOKEN), 8808)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8806", headers=headers)
