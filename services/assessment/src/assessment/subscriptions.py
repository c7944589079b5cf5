"""Which events of other services assessment applies, and by what."""

from cme_contracts.curriculum import ProgrammePublished
from cme_contracts.enrolment import (
    AgreementApproved,
    LearnerEnrolled,
    LearnerWithdrawn,
    OrganisationRegistered,
    PersonErased,
)
from cme_kit.consumers import Subscription, on

from assessment.erasure.service import Erasure
from assessment.institutions.repository import COLLECTION as INSTITUTIONS
from assessment.institutions.service import Institutions
from assessment.learners.service import Learners
from assessment.plans.service import Plans


def subscriptions(institutions: Institutions, plans: Plans, learners: Learners, erasure: Erasure) -> list[Subscription]:
    """The table of subscriptions."""
    return [
        on(ProgrammePublished, plans.apply_programme),
        on(OrganisationRegistered, institutions.apply_organisation, model=INSTITUTIONS),
        on(LearnerEnrolled, learners.apply_enrolment),
        on(LearnerWithdrawn, learners.apply_withdrawal),
        on(AgreementApproved, learners.apply_agreement),
        on(PersonErased, erasure.apply_erasure),
    ]
