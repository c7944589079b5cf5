"""A link that signs an operator in once."""

import json
import urllib.request
from pathlib import Path

from cme_local.errors import UserError
from cme_local.stack import Stack

#: Loopback only: a proxy of the environment has no business here.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def login_url(stack: Stack) -> str:
    """A new sign-in link to the operator's pages. Raises UserError when they do not answer."""
    base = stack.urls["otlp"]
    asked = urllib.request.Request(  # noqa: S310 -- the stack file names our own loopback address
        f"{base}/login/codes", method="POST", headers={"Authorization": f"Bearer {stack.operations_token}"}
    )
    try:
        with _OPENER.open(asked, timeout=5) as answer:
            return f"{base}/login?code={json.load(answer)['code']}"
    except OSError as error:
        raise UserError(f"The operator's pages at {base} do not answer ({error}). Is the stack running?") from error


def run(data: Path) -> int:
    """Print a link for the stack that runs on this data directory."""
    print(login_url(Stack.of_running(data)))
    return 0
