"""Reading the year's figures back from the services; nothing here comes from the player's own counting."""

import asyncio
from typing import Any

from cme_local.engines import LIVE_ACCOUNT
from cme_local.pilot.awarding import AWARDS, awards
from cme_local.pilot.client import PilotFailed, until
from cme_local.pilot.year import Year
from cme_local.processes import SERVICES


async def settle(year: Year) -> None:
    """Wait until every event is published, applied, and has had its effects, which are events again."""
    calm = 0
    last: Any = None

    async def read() -> int:
        nonlocal calm, last
        figures = await _event_figures(year)
        quiet = not any(figure["events_pending"] for figure in figures) and not await _undelivered(year)
        calm = calm + 1 if quiet and figures == last else 0
        last = figures
        return calm

    # Twice the same: an event that is applied right now may be about to cause another one.
    await until(read, lambda times: times >= 2, "all events to be published and applied", pause_s=0.2)  # noqa: PLR2004


async def _event_figures(year: Year) -> list[Any]:
    return list(await asyncio.gather(*(year.operator.get(f"/{name}/v1/operations/figures") for name in SERVICES)))


async def _undelivered(year: Year) -> int:
    """Messages that a consumer has not got or not acknowledged, as the broker counts them."""
    url = f"{year.urls['nats_monitoring']}/jsz"
    answer = (await year.client.send("GET", url, params={"consumers": "true"})).json()
    # What waits in the sandbox waits until somebody calls it.
    accounts = [account for account in answer.get("account_details") or [] if account["name"] == LIVE_ACCOUNT]
    streams = [stream for account in accounts for stream in account.get("stream_detail") or []]
    consumers = [consumer for stream in streams for consumer in stream.get("consumer_detail") or []]
    return sum(consumer["num_pending"] + consumer["num_ack_pending"] for consumer in consumers)


async def read_table(year: Year) -> dict[str, Any]:
    """Every figure, as the services answer it now."""
    learners = await year.coordinator.listed("/enrolment/v1/learners", cohort_id=year.cohort_id)
    applications = await year.coordinator.listed(f"/enrolment/v1/calls/{year.call_id}/applications")
    selection = await year.coordinator.get(f"/enrolment/v1/calls/{year.call_id}/selection")
    progress = await year.coordinator.get(f"/assessment/v1/cohorts/{year.cohort_id}/progress")
    made = await awards(year)
    issued = [award for award in made if award["state"] == "issued"]
    campaign = await year.officer.get(f"/outreach/v1/campaigns/{year.campaign_id}")
    aware = await year.officer.get("/outreach/v1/indicators/clusters-aware")
    figures = await _event_figures(year)
    offered = [line for line in selection["ranked"] if line["offer_id"]]
    units = [award for award in issued if award["kind"] == "unit"]
    programmes = [award for award in issued if award["kind"] == "programme"]
    traced = year.enrolment_ids[year.facts.learning.traced_learner]
    theirs = {award["kind"]: award["url"] for award in issued if award["enrolment_id"] == traced}
    if set(theirs) != {"unit", "programme"}:
        raise PilotFailed(f"The traced learner has badges of {sorted(theirs)}: {AWARDS} answers {len(made)} awards")
    return {
        "applications": len(applications),
        "offers": len(offered),
        "offers_by_country": _by_country(offered),
        "started": len(learners),
        "started_by_country": _by_country(learners),
        "withdrawn": sum(1 for learner in learners if learner["state"] == "withdrawn"),
        "completed": progress["completed"],
        "credits_recognised": progress["credits"]["recognised"],
        "unit_badges": len(units),
        "programme_badges": len(programmes),
        "revoked": sum(award["edition"] - 1 + (award["state"] == "revoked") for award in made),
        "reissued": sum(award["edition"] - 1 for award in issued),
        "clusters_contacted": campaign["clusters_contacted"],
        "clusters_aware": aware["value"],
        "clusters_aware_by_tier": aware["by_tier"],
        "events_published": sum(figure["events_published"] for figure in figures),
        "events_applied": sum(figure["events_applied"] for figure in figures),
        "dead_letters": sum(figure["dead_letters"] for figure in figures),
        "samples": {
            "unit_badge": theirs["unit"],
            "programme_badge": theirs["programme"],
            "revoked_badge": year.revoked_badge,
            "course": f"{year.api}/courses/{year.facts.curriculum.programme.slug}",
        },
    }


def _by_country(records: list[Any]) -> dict[str, int]:
    countries = sorted(record["country"] for record in records)
    return {country: countries.count(country) for country in dict.fromkeys(countries)}


def mismatches(year: Year, table: dict[str, Any]) -> list[str]:
    """Where the services' answers differ from the facts, one line each."""
    expected = year.facts.expected
    exact = ("applications", "offers", "started", "withdrawn", "completed", "unit_badges", "programme_badges")
    found = [
        f"{name}: {table[name]} instead of {getattr(expected, name)}"
        for name in (*exact, "revoked", "reissued", "dead_letters")
        if table[name] != getattr(expected, name)
    ]
    found += [
        f"{name}: {table[name]}, at least {getattr(expected, name)} were expected"
        for name in ("clusters_contacted", "clusters_aware")
        if table[name] < getattr(expected, name)
    ]
    if table["credits_recognised"] != table["unit_badges"]:
        found.append(f"unit_badges: {table['unit_badges']} for {table['credits_recognised']} recognised credits")
    country, count = expected.offers_to.country, expected.offers_to.count
    if table["offers_by_country"].get(country) != count:
        found.append(f"offers to {country}: {table['offers_by_country'].get(country)} instead of {count}")
    if list(table["started_by_country"]) != expected.countries:
        found.append(f"countries: {list(table['started_by_country'])} instead of {expected.countries}")
    return found
