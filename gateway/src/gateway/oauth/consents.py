"""Consents that people gave to applications, seen from their side: listed and withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cme_kit.clock import Clock
from cme_kit.outbox import Outbox, Transaction

from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.clients.service import Clients
from gateway.oauth.consent_repository import ConsentRepository
from gateway.oauth.revocations import Revocations
from gateway.oauth.scopes import in_order


@dataclass(frozen=True)
class Consent:
    """What a person allowed an application, until when."""

    client_id: str
    client_name: str
    scopes: list[str]
    expires: datetime


class Consents:
    """Everybody's consents."""

    def __init__(
        self,
        repository: ConsentRepository,
        clients: Clients,
        revocations: Revocations,
        audit: Audit,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._clients = clients
        self._revocations = revocations
        self._audit = audit
        self._outbox = outbox
        self._clock = clock

    async def of(self, subject: str) -> list[Consent]:
        """What a person allows today."""
        found = []
        for row in await self._repository.of(subject, self._clock.now()):
            client_id = row["_id"].partition(" ")[2]
            client = await self._clients.find(client_id)
            name = client.name if client else client_id
            found.append(Consent(client_id, name, in_order(frozenset(row["scopes"])), row["expires"]))
        return found

    async def withdraw(self, subject: str, client_id: str) -> bool:
        """Withdraw a consent; every token that came of it ends now. False when there is no such consent."""
        until = self._revocations.lasts_until()

        async def in_one(tx: Transaction) -> list[str] | None:
            grants = await self._repository.withdraw(subject, client_id, until, tx.session)
            if grants is not None:
                details = {"client": client_id, "grants": str(len(grants))}
                await self._audit.record(
                    Act.CONSENT_WITHDRAWN, actor=subject, subject=subject, details=details, session=tx.session
                )
            return grants

        grants = await self._outbox.transaction(in_one)
        for grant in grants or ():
            await self._revocations.announce(grant, until)
        return grants is not None
