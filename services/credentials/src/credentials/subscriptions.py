"""What credentials hears of other services."""

from __future__ import annotations

from cme_contracts.assessment import CreditRecognised, ProgrammeCompleted
from cme_contracts.curriculum import ProgrammePublished
from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered
from cme_kit.consumers import Subscription, on

from credentials.achievements.service import Achievements
from credentials.awards.service import Awards
from credentials.holders.repository import ORGANISATIONS, PEOPLE
from credentials.holders.service import Holders


def subscriptions(achievements: Achievements, holders: Holders, awards: Awards) -> list[Subscription]:
    """Event -> handler."""
    return [
        on(ProgrammePublished, achievements.programme_published),
        on(OrganisationRegistered, holders.organisation_registered, model=ORGANISATIONS),
        on(PersonRegistered, holders.person_registered, model=PEOPLE),
        on(PersonErased, holders.person_erased, model=PEOPLE),
        on(CreditRecognised, awards.credit_recognised),
        on(ProgrammeCompleted, awards.programme_completed),
    ]
