"""Badges: the pilot year with the issuer killed at its two delicate moments."""

from collections import Counter

from cme_local.console import Stages
from cme_local.pilot import play
from cme_local.pilot.client import PilotFailed

from ..scene import Scene, experiment

BADGES = ("unit_badges", "programme_badges")


@experiment("issuer-killed", stage="year")
async def issuer_killed(scene: Scene) -> None:
    """While the pilot year is played the issuer is killed before and after signing: each award has one badge."""
    moments = ("issuance.intended", "issuance.signed", "consumer.committed")
    armed = ",".join(f"{moment}=kill@{scene.dice.randint(5, 25)}" for moment in moments)
    fired = await scene.rig.arm("credentials", armed)
    try:
        with Stages() as stages:
            report = await play(scene.rig.running.stack, stages)
    except PilotFailed as failure:
        scene.require(False, f"the year: {failure}"[:300])
        return
    scene.healed()
    scene.require(fired(), "a failpoint never fired")
    scene.row.acknowledged += sum(report.table[kind] for kind in BADGES)
    await _one_badge_per_award(scene)


async def _one_badge_per_award(scene: Scene) -> None:
    """The credentials that are in force, by award; the player has compared their number with the year's facts."""
    issued: Counter[str] = Counter()
    async for credential in scene.rig.stores.mongo["credentials"]["credentials"].find({}):
        if credential["state"] == "issued":
            issued[credential["award_id"]] += 1
        scene.require(not credential["pending"], f"credential {credential['_id']} is not finished")
    scene.row.ok += sum(1 for n in issued.values() if n == 1)
    scene.row.duplicated += sum(n - 1 for n in issued.values())
    scene.row.lost += max(0, scene.row.acknowledged - len(issued))
