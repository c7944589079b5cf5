"""Badges follow from recognised credit by themselves; one is revoked and issued again."""

from typing import Any

from cme_local.pilot.client import until
from cme_local.pilot.year import Year

AWARDS = "/credentials/v1/awards"


async def awards(year: Year) -> list[Any]:
    """Every award, as the coordinator sees them."""
    return await year.coordinator.listed(AWARDS)


async def award(year: Year) -> None:
    """Wait for all badges, then correct the one that was wrong."""
    expected = year.facts.expected.unit_badges + year.facts.expected.programme_badges
    year.progress.stage("Badges", 3)

    async def issued() -> int:
        return sum(1 for made in await awards(year) if made["state"] != "pending")

    await until(issued, lambda count: count >= expected, f"{expected} badges to be issued")
    year.progress.step()
    fact = year.facts.learning.reissue
    enrolment_id, unit_id = year.enrolment_ids[fact.learner], year.published.unit_ids[fact.unit]
    theirs = await year.coordinator.listed(AWARDS, enrolment_id=enrolment_id)
    wrong = next(made for made in theirs if made["unit_id"] == unit_id)
    path = f"{AWARDS}/{wrong['award_id']}"
    revoked = await year.coordinator.post(f"{path}/revocation", {"reason": fact.revocation}, "revocation")
    year.revoked_badge = revoked["url"]
    year.progress.step()
    await year.coordinator.post(f"{path}/reissue", {"reason": fact.reason}, "reissue")
    await until(issued, lambda count: count >= expected, "the badge to be issued again")
    year.progress.step()
