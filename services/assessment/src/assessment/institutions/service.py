"""Keeps the organisations that enrolment registers."""

from __future__ import annotations

from cme_contracts.enrolment import OrganisationRegistered
from cme_kit.outbox import Transaction

from assessment.institutions.repository import InstitutionRepository


class Institutions:
    """The organisations that plans may name."""

    def __init__(self, institutions: InstitutionRepository) -> None:
        self._institutions = institutions

    async def apply_organisation(self, tx: Transaction, event: OrganisationRegistered) -> None:
        """An organisation takes part."""
        await self._institutions.keep(event.organisation_id, event.name, event.country, tx.session)
