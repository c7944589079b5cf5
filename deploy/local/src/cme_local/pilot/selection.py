"""The call, forty applications, two readers, the ranked selection, offers and their answers."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from cme_local.pilot.client import PilotFailed, Refused, eventually, for_each, traced, until
from cme_local.pilot.programme_facts import Applicant
from cme_local.pilot.year import Year

BASE = "/enrolment/v1"


async def select(year: Year) -> None:
    """Open the call, take applications, score, select, offer, and let the selected answer."""
    facts = year.facts
    began = time.monotonic()
    scores = sum(len(applicant.scores) for applicant in facts.applicants)
    answers = len(facts.selected()) - 1  # one never answers
    year.progress.stage("Applications, scores, offers", len(facts.applicants) + scores + answers)
    await _open_call(year)
    await for_each(facts.applicants, lambda applicant: _apply(year, applicant))
    await _decide_eligibility(year)
    await for_each(
        [(applicant, number) for applicant in facts.applicants for number in range(len(applicant.scores))],
        lambda pair: _score(year, *pair),
    )
    await year.coordinator.change(
        "PATCH", f"{BASE}/calls/{year.call_id}", {"closes_at": facts.selection.call.closed_at}
    )
    # A machine that took long so far is given as much longer for the answers.
    answer_within_s = facts.selection.answer_within_s + time.monotonic() - began
    await _answer(year, await _rank(year, answer_within_s))


async def _open_call(year: Year) -> None:
    body = year.facts.selection.call.model_dump(exclude={"closed_at"}) | {
        "programme_id": year.published.programme_id,
        "programme_version": year.published.version,
        "starts_on": year.facts.curriculum.offering.starts_on.isoformat(),
    }
    # The publication reaches enrolment by an event.
    call = await eventually(
        lambda: year.coordinator.post(f"{BASE}/calls", body, "call"), "programme_not_published", within_s=30
    )
    year.call_id, year.cohort_id = call["call_id"], call["cohort_id"]


async def _apply(year: Year, applicant: Applicant) -> None:
    reissue = year.facts.learning.reissue
    email = applicant.email
    if applicant.key == reissue.learner:
        email = f"{reissue.registered_address}@{applicant.domain}"
    with traced(year.trace_of(applicant)):
        actor = year.applicants[applicant.key]
        await actor.get(f"/curriculum/v1/catalogue/courses/{year.facts.curriculum.programme.slug}")
        await introduce(year, applicant, email)
        body = {
            "organisation_id": year.organisation_ids[applicant.key],
            "country": applicant.country,
            "motivation": applicant.motivation,
            "employer_support": True,
            "cluster": applicant.model_dump(include={"management_fte", "members", "member_types"}),
        }
        made = await actor.post(f"{BASE}/calls/{year.call_id}/applications", body, "application")
    year.application_ids[applicant.key] = made["application_id"]
    year.progress.step()


async def introduce(year: Year, applicant: Applicant, email: str) -> None:
    """Register an applicant's name and address, or correct it."""
    profile = applicant.model_dump(include={"given_name", "family_name", "language", "country"})
    await year.applicants[applicant.key].put(f"{BASE}/people/me", profile | {"email": email})


async def _decide_eligibility(year: Year) -> None:
    """One is let in by a waiver; one is too small and stays out."""
    waiver, ineligible = year.facts.selection.waiver, year.facts.selection.ineligible
    path = f"{BASE}/applications/{year.application_ids[waiver.applicant]}/waiver"
    await year.coordinator.post(path, {"reason": waiver.reason}, f"waiver:{waiver.applicant}")
    refused = await year.coordinator.get(f"{BASE}/applications/{year.application_ids[ineligible]}")
    if refused["eligibility"]["eligible"]:
        raise PilotFailed(f"{ineligible} should not be eligible: {refused['eligibility']}")


async def _score(year: Year, applicant: Applicant, number: int) -> None:
    motivation, experience, impact = applicant.scores[number]
    body = {
        "motivation": motivation,
        "experience": experience,
        "impact": impact,
        "comment": f"{applicant.cluster}: {sum(applicant.scores[number])} of 15",
    }
    reader = year.staff[year.facts.selection.readers[number]]
    path = f"{BASE}/applications/{year.application_ids[applicant.key]}/scores"
    with traced(year.trace_of(applicant)):
        await reader.post(path, body, f"score:{applicant.key}")
    year.progress.step()


async def _rank(year: Year, answer_within_s: float) -> dict[str, str]:
    """The offers by applicant. The selection is made once; at another try it is read."""
    path = f"{BASE}/calls/{year.call_id}/selection"
    try:
        selection = await year.coordinator.get(path)
    except Refused as refusal:
        if refusal.status != httpx.codes.NOT_FOUND:
            raise
        answer_by = datetime.now(UTC) + timedelta(seconds=answer_within_s)
        body = {"answer_by": answer_by.isoformat(timespec="seconds")}
        selection = await year.coordinator.post(path, body, "selection")
    key_of = {application_id: key for key, application_id in year.application_ids.items()}
    offers = {key_of[line["application_id"]]: line["offer_id"] for line in selection["ranked"] if line["offer_id"]}
    selected = {applicant.key for applicant in year.facts.selected()}
    if set(offers) != selected:
        raise PilotFailed(f"The selection differs from the facts in {sorted(set(offers) ^ selected)}")
    return offers


async def _answer(year: Year, offers: dict[str, str]) -> None:
    """The first seats, the 21st refused, the extension, the others; one declines, one never answers."""
    facts = year.facts.selection
    starters = year.facts.starters()
    first, later = starters[: facts.call.seats], starters[facts.call.seats :]
    await for_each(first, lambda applicant: _accept(year, applicant, offers, "first"))
    await _refused_for_now(year, later[0], offers)
    extension = facts.extension.model_dump()
    await year.coordinator.post(f"{BASE}/calls/{year.call_id}/extension", extension, "extension")
    await for_each(later, lambda applicant: _accept(year, applicant, offers, "extended"))
    declined = facts.declined
    await year.applicants[declined.applicant].post(
        f"{BASE}/offers/{offers[declined.applicant]}/refusal", {"reason": declined.reason}, "refusal"
    )
    year.progress.step()


async def _accept(year: Year, applicant: Applicant, offers: dict[str, str], round_: str) -> None:
    path = f"{BASE}/offers/{offers[applicant.key]}/acceptance"
    with traced(year.trace_of(applicant)):
        accepted = await year.applicants[applicant.key].post(path, {}, f"acceptance:{round_}")
    year.enrolment_ids[applicant.key] = accepted["enrolment_id"]
    year.progress.step()


async def _refused_for_now(year: Year, applicant: Applicant, offers: dict[str, str]) -> None:
    """All seats are taken: the next acceptance must be refused. At a second try seats were added already."""
    call = await year.coordinator.get(f"{BASE}/calls/{year.call_id}")
    if call["seats"] != year.facts.selection.call.seats:
        return
    try:
        path = f"{BASE}/offers/{offers[applicant.key]}/acceptance"
        await year.applicants[applicant.key].post(path, {}, "acceptance:too-many")
    except Refused as refusal:
        if refusal.code != "seats_taken":
            raise
    else:
        raise PilotFailed(f"{applicant.name} got a seat although all {call['seats']} were taken")


async def wait_for_expiry(year: Year) -> None:
    """The offer that nobody answered expires by itself."""
    actor = year.applicants[year.facts.selection.unanswered]

    async def read() -> Any:
        return (await actor.listed(f"{BASE}/offers/mine"))[0]

    # It shows as expired from its last moment on, and is ended, with its event, by the next sweep.
    def ended(offer: Any) -> bool:
        return bool(offer["state"] == "expired" and offer["answered_at"])

    year.progress.stage("The unanswered offer expires", 1)
    await until(read, ended, "the unanswered offer to expire")
    year.progress.step()
