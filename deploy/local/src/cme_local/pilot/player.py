"""The pilot year from the first partner to the last figure, through the public API."""

import asyncio
import secrets
import time
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import urljoin

from cme_local.console import StageProgress
from cme_local.pilot import awarding, cast, curriculum, learning, outreach, selection
from cme_local.pilot.actors import Actor, StackCasting
from cme_local.pilot.checking import check_samples, pull_catalogue, verify_badges
from cme_local.pilot.client import PilotFailed, connected
from cme_local.pilot.facts import read_facts
from cme_local.pilot.figures import mismatches, read_table, settle
from cme_local.pilot.report import Report
from cme_local.pilot.year import Year
from cme_local.stack import Stack

Result = TypeVar("Result")


async def play(stack: Stack, progress: StageProgress) -> Report:
    """Play the year on a running stack and report what the services say of it.

    Playing it again on the same stack repeats the same acts, which change nothing, and reports the same figures, but
    for two more events: the learner whose address was wrong enters it wrong and corrects it once more.

    Raises:
        PilotFailed: an act was refused, or a figure is not that of the facts.
    """
    began = time.monotonic()
    async with connected(stack.api) as client:
        casting = StackCasting(client, stack)
        year = Year(
            api=stack.api,
            urls=stack.urls,
            facts=read_facts(),
            client=client,
            casting=casting,
            progress=progress,
            trace_id=secrets.token_hex(16),
            coordinator=casting.demo_user(stack.user("coordinator")),
            officer=casting.demo_user(stack.user("officer")),
            operator=casting.demo_user(stack.user("operator")),
        )
        try:
            report = await _play(year, casting.system(stack.client("eccp-harvester")))
        except BaseExceptionGroup as failures:
            failed = failures.subgroup(PilotFailed)
            if failed is None:
                raise
            raise _first(failed) from failures
        report.table["wall_s"] = round(time.monotonic() - began, 1)
        report.repeated = client.effort.repeated
        return report


async def _play(year: Year, harvester: Actor) -> Report:
    seconds: dict[str, float] = {}

    async def timed(name: str, phase: Awaitable[Result]) -> Result:
        began = time.monotonic()
        result = await phase
        year.progress.over()
        seconds[name] = round(time.monotonic() - began, 1)
        return result

    async def teaching() -> None:
        await timed("curriculum", curriculum.publish(year))
        await timed("selection", selection.select(year))
        await timed("agreements", learning.agree(year))
        await timed("modules", learning.teach(year))
        await timed("badges", awarding.award(year))
        await timed("expiry", selection.wait_for_expiry(year))

    async def reaching_out() -> None:
        await timed("directory", outreach.reach_out(year))
        await timed("campaign", outreach.campaign(year))

    await timed("people", cast.assemble(year))
    # As in a real year: the clusters are written to while the learners learn.
    async with asyncio.TaskGroup() as tracks:
        tracks.create_task(teaching())
        tracks.create_task(reaching_out())
    await timed("settling", settle(year))
    table = await timed("figures", read_table(year))
    differing = mismatches(year, table)
    if differing:
        raise PilotFailed("The figures are not those of the facts:\n  " + "\n  ".join(differing))
    table["badges_verified"] = await timed("verification", verify_badges(year))
    table["courses_pulled"] = await timed("catalogue", pull_catalogue(year, harvester))
    await timed("samples", check_samples(year, table["samples"]))
    table["trace_id"] = year.trace_id
    table["seconds"] = seconds
    trace_url = urljoin(year.urls["traces"], f"/traces/{year.trace_id}")
    return Report(table, trace_url, seconds)


def _first(failures: BaseExceptionGroup[PilotFailed]) -> PilotFailed:
    """The first failure of acts that ran side by side: the others follow from it or say the same."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    assert isinstance(failure, PilotFailed)
    return failure
