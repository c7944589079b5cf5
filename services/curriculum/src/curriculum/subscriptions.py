"""What curriculum listens to."""

from cme_contracts.enrolment import PersonErased
from cme_kit.consumers import Subscription, on

from curriculum.reviews.service import Reviews


def subscriptions(reviews: Reviews) -> list[Subscription]:
    """One row per event."""
    return [on(PersonErased, reviews.forget)]
