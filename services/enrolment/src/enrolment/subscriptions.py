"""Which events of other services enrolment applies, and how."""

from cme_contracts.curriculum import ProgrammePublished
from cme_kit.consumers import Subscription, on

from enrolment.programmes.repository import PROGRAMMES
from enrolment.programmes.service import Programmes


def subscriptions(programmes: Programmes) -> list[Subscription]:
    """The table: event, handler."""
    return [on(ProgrammePublished, programmes.learn, model=PROGRAMMES)]
