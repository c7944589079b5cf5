"""What outreach listens to."""

from __future__ import annotations

from collections.abc import Sequence

from cme_contracts.enrolment import ApplicationSubmitted, OrganisationRegistered, PersonErased
from cme_kit.consumers import Subscription, on
from cme_kit.outbox import Transaction

from outreach.contacts.service import Contacts
from outreach.directory.service import Clusters
from outreach.touchpoints.service import Touchpoints


def subscriptions(clusters: Clusters, touchpoints: Touchpoints, contacts: Contacts) -> Sequence[Subscription]:
    """Each event and what it does here."""

    async def person_erased(tx: Transaction, event: PersonErased) -> None:
        await contacts.erase_person(tx, event)
        await touchpoints.forget_person(tx, event)

    return [
        # Every writer of the directory touches its guard.
        on(OrganisationRegistered, clusters.join_organisation, serial=True),
        on(ApplicationSubmitted, touchpoints.application_submitted, serial=True),
        on(PersonErased, person_erased),
    ]
