"""Keeping the read models up to date."""

from __future__ import annotations

from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered
from cme_kit.outbox import Transaction

from credentials.holders.repository import Holder, HolderRepository


class Holders:
    """Applies what enrolment states about people and organisations."""

    def __init__(self, holders: HolderRepository) -> None:
        self._holders = holders

    async def person_registered(self, tx: Transaction, event: PersonRegistered) -> None:
        """Keep the name for the badge page and the e-mail for hashing."""
        known = await self._holders.find(event.person_id, tx.session)
        if known is not None and known.name is None:
            return  # erased: the two facts travel on different streams and may arrive in either order
        name = f"{event.given_name} {event.family_name}".strip()
        await self._holders.keep(Holder(event.person_id, name, event.email), tx.session)

    async def person_erased(self, tx: Transaction, event: PersonErased) -> None:
        """Delete the name and the e-mail."""
        await self._holders.erase(event.person_id, tx.session)

    async def organisation_registered(self, tx: Transaction, event: OrganisationRegistered) -> None:
        """Keep the name that evidence mentions."""
        await self._holders.keep_organisation(event.organisation_id, event.name, tx.session)
