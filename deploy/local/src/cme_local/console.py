"""What `up` and `demo` print once the stack is ready."""

import sys
import time

from cme_local.stack import SandboxClient, Stack

PAGES = (
    ("API and portal", "gateway", ""),
    ("API reference", "gateway", "/docs"),
    ("Traces", "traces", ""),
    ("Mail", "mail", ""),
)


def curl_line(stack: Stack, client: SandboxClient) -> str:
    """A line that gets an access token and can be pasted as it is."""
    return (
        f"curl -s -u '{client.client_id}:{client.client_secret}' -d grant_type=client_credentials "
        f"{stack.api}/oauth/token"
    )


def print_stack(stack: Stack, seconds: float) -> None:
    """The table of URLs, logins and sandbox clients."""
    out = sys.stdout
    out.write(f"\nReady in {seconds:.1f} s\n\n")
    for label, key, path in PAGES:
        out.write(f"  {label:<16} {stack.urls[key]}{path}\n")
    out.write("\n  Demo logins (user, password)\n")
    for user in stack.users:
        out.write(f"    {user.username:<14} {user.password}\n")
    out.write("\n  Sandbox clients\n")
    for client in stack.clients:
        secret = client.client_secret or ("key in the stack file" if client.private_jwk else "public, PKCE")
        out.write(f"    {client.client_id:<16} {secret}\n")
    with_secret = next((c for c in stack.clients if c.client_secret), None)
    if with_secret is not None:
        out.write(f"\n  Try it:\n    {curl_line(stack, with_secret)}\n")
    out.write("\nCtrl-C stops everything.\n")
    out.flush()


class Progress:
    """Says which process is ready: one line that grows on a terminal, plain lines elsewhere."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self._total = total
        self._ready = 0
        self._quiet = quiet
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def ready(self, name: str) -> None:
        """One more process is ready."""
        self._ready += 1
        if self._quiet:
            return
        text = f"{self._ready}/{self._total} {name} ready after {self.seconds:.1f} s"
        if sys.stderr.isatty():
            end = "\n" if self._ready == self._total else ""
            sys.stderr.write(f"\r\x1b[K{text}{end}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
