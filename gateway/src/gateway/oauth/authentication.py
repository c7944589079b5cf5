"""Which client sends a request to the authorization server (RFC 6749 section 2.3, RFC 7523)."""

from __future__ import annotations

import time
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from cme_kit.clock import Clock

from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.oauth.once import UsedOnce
from gateway.oauth.parameters import claimed_client_id
from gateway.oauth.protocol import CONFIDENTIAL, Request, View

#: A client's failures are entered in the trail at most so often, so that a flood of them is one entry, seconds.
ENTRY_SECONDS = 60.0
MOST_REFUSED = 1_000
UNKNOWN = "unknown"


class ClientAuthentication:
    """Finds and authenticates clients."""

    def __init__(self, issuer: str, clients: Clients, once: UsedOnce, audit: Audit, clock: Clock) -> None:
        self._issuer = issuer
        self._clients = clients
        self._once = once
        self._audit = audit
        self._clock = clock
        self._entered: dict[str, float] = {}

    async def view(self, values: dict[str, str], authorization: str | None, **loaded: Any) -> View:
        """What authlib may know about a request, its client included. Raises OAuth2Error."""
        client_id = claimed_client_id(values, authorization)
        client = await self._clients.active(client_id) if client_id else None
        return View(
            issuer=self._issuer,
            now=self._clock.now(),
            client=client,
            secret_matches=lambda secret: client is not None and self._clients.secret_matches(client, secret),
            **loaded,
        )

    async def confirm(self, view: View) -> Client:
        """The client that authlib authenticated; its assertion is used up. Raises InvalidClientError."""
        client = view.client
        if client is None:
            raise InvalidClientError(description="The client does not exist on this server.")
        if view.used_assertion is not None and not await self._once.claim(client.client_id, *view.used_assertion):
            raise InvalidClientError(description="This client assertion was used before. Make a new one.")
        return client

    async def authenticate(
        self, values: dict[str, str], authorization: str | None, methods: list[str] = CONFIDENTIAL
    ) -> Client:
        """The client of a request, by one of these methods. Raises OAuth2Error."""
        view = await self.view(values, authorization)
        view.server().authenticate_client(Request("POST", values, authorization), methods)
        return await self.confirm(view)

    async def record_refusal(self, values: dict[str, str], authorization: str | None) -> None:
        """Enter a failed authentication in the trail, once a minute for each client."""
        try:
            claimed = claimed_client_id(values, authorization)
        except InvalidClientError:
            claimed = None
        known = claimed is not None and await self._clients.find(claimed) is not None
        subject = claimed if known and claimed is not None else UNKNOWN
        now = time.monotonic()
        if now - self._entered.get(subject, float("-inf")) < ENTRY_SECONDS:
            return
        if len(self._entered) >= MOST_REFUSED:
            self._entered.clear()
        self._entered[subject] = now
        await self._audit.record(Act.CLIENT_REFUSED, actor=subject, subject=subject)
