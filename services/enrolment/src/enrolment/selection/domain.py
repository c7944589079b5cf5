"""The selection: who gets a place, within the quotas of the countries, and why. Pure.

Country minima come first (the best of that country), then the readers' points decide; a country at its maximum waits.
The same rule fills a place that becomes free from the waiting list.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from enrolment.applications.domain import MOST_POINTS, Application, ApplicationState, describe_failed
from enrolment.calls.domain import Call, Quota


class Ground(StrEnum):
    """Why somebody was chosen."""

    MINIMUM = "minimum"
    POINTS = "points"


@dataclass(frozen=True)
class Decision:
    """What the selection decided on one application, and why."""

    application: Application
    rank: int
    state: ApplicationState
    explanation: str


def rank(applications: Sequence[Application]) -> list[Application]:
    """Eligible ones by points, the earlier first among equals (ids sort by time); then those that are not eligible."""
    return sorted(
        applications,
        key=lambda application: (not application.eligibility.eligible, -application.points, application.application_id),
    )


def choose(
    candidates: Sequence[Application], places: int, held: Mapping[str, int], quotas: Sequence[Quota]
) -> dict[str, Ground]:
    """Which of the candidates (best first) get a place, by application id.

    `held` are the places that each country has already.
    """
    taken = Counter(held)
    by_country = {quota.country: quota for quota in quotas}
    chosen: dict[str, Ground] = {}
    for ground in Ground:
        for candidate in candidates:
            if len(chosen) >= places:
                return chosen
            quota = by_country.get(candidate.country, Quota(country=candidate.country))
            has = taken[candidate.country]
            if ground is Ground.MINIMUM:
                fits = has < quota.minimum
            else:
                fits = candidate.application_id not in chosen and (quota.maximum is None or has < quota.maximum)
            if fits:
                chosen[candidate.application_id] = ground
                taken[candidate.country] += 1
    return chosen


def decide(applications: Sequence[Application], call: Call) -> list[Decision]:
    """The ranked list of a call with each decision explained. Every eligible application has been read by two."""
    ranked = rank(applications)
    eligible = [application for application in ranked if application.eligibility.eligible]
    places = call.seats + call.over_offer
    chosen = choose(eligible, places, {}, call.quotas)
    taken = Counter(application.country for application in eligible if application.application_id in chosen)
    quotas = {quota.country: quota for quota in call.quotas}
    ranks = {application.application_id: place for place, application in enumerate(ranked, start=1)}
    by_points = [ranks[application_id] for application_id, ground in chosen.items() if ground is Ground.POINTS]
    # Whoever is ranked before this lost the place only to the maximum of the country.
    last_by_points = max(by_points, default=0) if len(chosen) >= places else len(ranked) + 1

    decisions: list[Decision] = []
    waiting = 0
    for application in ranked:
        place = ranks[application.application_id]
        quota = quotas.get(application.country, Quota(country=application.country))
        if not application.eligibility.eligible:
            state, why = ApplicationState.REJECTED, f"Not eligible: {describe_failed(application.eligibility)}."
        elif ground := chosen.get(application.application_id):
            state, why = ApplicationState.OFFERED, _explain_offer(application, place, len(eligible), ground, quota)
        else:
            waiting += 1
            at_maximum = quota.maximum is not None and taken[application.country] >= quota.maximum
            blocked = at_maximum and place < last_by_points
            state = ApplicationState.WAITLISTED
            why = _explain_waiting(application, place, len(eligible), len(chosen), waiting, quota if blocked else None)
        decisions.append(Decision(application, place, state, why))
    return decisions


def explain_promotion(application: Application, ground: Ground, quotas: Sequence[Quota]) -> str:
    """Why somebody on the waiting list now gets an offer."""
    if ground is Ground.MINIMUM:
        minimum = next(quota.minimum for quota in quotas if quota.country == application.country)
        why = f"{application.country} held fewer than the {_places(minimum)} kept for it, and yours is its best application"
    else:
        why = "yours is the best application whose country may hold another place"
    return f"Offered from the waiting list: a place became free, and {why} (rank {application.rank})."


def _standing(application: Application, place: int, of: int) -> str:
    return f"rank {place} of {of} with {application.points} of {MOST_POINTS} points"


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def _explain_offer(application: Application, place: int, of: int, ground: Ground, quota: Quota) -> str:
    standing = _standing(application, place, of)
    if ground is Ground.MINIMUM:
        return f"Offered: {standing}; from the {_places(quota.minimum)} kept for {quota.country}."
    return f"Offered: {standing}."


def _explain_waiting(
    application: Application, place: int, of: int, offers: int, waiting: int, blocking: Quota | None
) -> str:
    standing = _standing(application, place, of)
    if blocking is not None and blocking.maximum is not None:
        why = f"{blocking.country} holds {_places(blocking.maximum)} already, its maximum in this call"
    else:
        why = f"all {offers} offers went to better ranked applications or to places kept for a country"
    return f"Waitlisted: {standing}; {why}. Place {waiting} of the waiting list."
