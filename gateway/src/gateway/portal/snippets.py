"""Lines to paste: they use nothing but what every system has, and hold no placeholder once the secret is known."""

from __future__ import annotations

from gateway.clients.domain import Client

SANDBOX = "/sandbox"
#: What a first call may ask for, by the scope that it needs; the first that the application has is taken.
FIRST_CALLS = (
    ("enrolment.organisations:read", "/enrolment/v1/organisations"),
    ("outreach.indicators:read", "/outreach/v1/indicators/clusters-aware"),
)
#: Open to everybody.
PUBLIC_CALL = "/curriculum/v1/catalogue/courses"


def api_of(base: str, client: Client | None) -> str:
    """The base URL of the API that an application's tokens open; without one, the sandbox's."""
    return base if client is not None and not client.sandbox else base + SANDBOX


def token_line(base: str, client_id: str, secret: str) -> str:
    """A command for a shell that keeps a token in TOKEN."""
    return (
        f"TOKEN=$(curl -sS -u '{client_id}:{secret}' \\\n"
        f"  -d grant_type=client_credentials {base}/oauth/token \\\n"
        '  | sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\')'
    )


def call_line(base: str, client: Client | None) -> str:
    """A command for a shell that calls the API with that token."""
    scopes = client.scopes if client is not None else frozenset({FIRST_CALLS[0][0]})
    path = next((path for scope, path in FIRST_CALLS if scope in scopes), PUBLIC_CALL)
    # A sandbox that was not asked for long starts first, and says with 503 when to ask again.
    return f'curl -sSf --retry 9 -H "Authorization: Bearer $TOKEN" \\\n  {api_of(base, client)}{path}'


def first_call(base: str, client: Client, secret: str) -> str:
    """Two commands for a shell: a token, and a call with it."""
    return f"{token_line(base, client.client_id, secret)}\n{call_line(base, client)}"
