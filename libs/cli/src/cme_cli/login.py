"""`cme login`: keep a client on this machine, after it was tried once."""

from __future__ import annotations

import getpass
import os
import sys

from cme_cli.credentials import CLIENT_SECRET, Credentials, forget, store
from cme_cli.errors import OK, CliError
from cme_cli.printing import say, tell
from cme_cli.session import Session


def run(api: str, client_id: str) -> int:
    """Ask for the secret, try it, and keep all three. Raises CliError, Refused or Unreachable."""
    secret = os.environ.get(CLIENT_SECRET) or _asked()
    credentials = Credentials(api.rstrip("/"), client_id, secret)
    opens = Session(credentials).base()
    path = store(credentials)
    say(f"{client_id} opens {opens}. Kept in {path}, for you only.")
    return OK


def log_out() -> int:
    """Forget what was kept."""
    tell("Forgotten." if forget() else "Nothing was kept.")
    return OK


def _asked() -> str:
    secret = getpass.getpass("Client secret: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not secret:
        raise CliError(f"Type the client's secret, pipe it in, or set {CLIENT_SECRET}.")
    return secret
