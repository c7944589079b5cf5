"""Learning agreements, and four modules: evidence, marks, validation, recognition."""

import hashlib
from typing import Any

from cme_local.pilot.client import PilotFailed, Refused, eventually, for_each, traced, until
from cme_local.pilot.programme_facts import Applicant
from cme_local.pilot.selection import introduce
from cme_local.pilot.year import Year
from cme_local.pilot.year_facts import Module

ENROLMENT, ASSESSMENT = "/enrolment/v1", "/assessment/v1"
#: How long a fact may take from one service to another, a restart included.
ARRIVAL_S = 40.0


async def agree(year: Year) -> None:
    """Plans get their institutions; each learner gets an agreement that all three parties approved."""
    learners = year.facts.starters()
    year.progress.stage("Plans and learning agreements", len(year.facts.learning.modules) + len(learners))
    await for_each(year.facts.learning.modules, lambda module: _plan(year, module))
    await for_each(learners, lambda applicant: _agreement(year, applicant))


async def _plan(year: Year, module: Module) -> None:
    institution = {person.key: year.organisation_ids[person.organisation] for person in year.facts.staff}
    query: dict[str, str | int] = {"programme_id": year.published.programme_id, "version": year.published.version}
    unit_id = year.published.unit_ids[module.unit]

    async def find() -> Any:
        plans = await year.coordinator.listed(f"{ASSESSMENT}/plans", **query)
        return next((plan for plan in plans if plan["unit_id"] == unit_id), None)

    plan = await until(find, lambda found: found is not None, f"the plan of {module.unit}", within_s=ARRIVAL_S)
    duties = {
        "assessing_institution_id": institution[module.assessor],
        "validating_institution_id": institution[module.validator],
        "recognising_institution_id": institution[module.recogniser],
    }
    body = {"method": plan["method"], "rubric": plan["rubric"]} | duties
    path = f"{ASSESSMENT}/plans/{plan['plan_id']}"
    await eventually(
        lambda: year.coordinator.change("PUT", path, duties, body), "unknown_organisation", within_s=ARRIVAL_S
    )
    year.progress.step()


async def _agreement(year: Year, applicant: Applicant) -> None:
    facts = year.facts.learning.agreement
    learner, home = year.applicants[applicant.key], year.home_signatories[applicant.key]
    terms = _terms(year, applicant, facts.activities)
    with traced(year.trace_of(applicant)):
        path = f"{ENROLMENT}/learners/{year.enrolment_ids[applicant.key]}/agreements"
        agreement = await year.coordinator.post(path, terms, f"agreement:{applicant.key}")
        path = f"{ENROLMENT}/agreements/{agreement['agreement_id']}"
        content_hash = agreement["content_hash"]
        await learner.post(f"{path}/approvals", {"content_hash": content_hash}, "approval:1")
        if applicant.key == facts.changed_for:
            changed = _terms(year, applicant, facts.changed_activities)
            current = await year.coordinator.change("PUT", path, {"version": 2}, changed)
            await _stale_approval(home.post(f"{path}/approvals", {"content_hash": content_hash}, "approval:stale"))
            content_hash = current["content_hash"]
            await learner.post(f"{path}/approvals", {"content_hash": content_hash}, "approval:2")
        await home.post(f"{path}/approvals", {"content_hash": content_hash}, f"approval:{applicant.key}")
        approved = await year.staff["host"].post(
            f"{path}/approvals", {"content_hash": content_hash}, f"approval:{applicant.key}"
        )
    if approved["state"] != "in_force":
        raise PilotFailed(f"The agreement of {applicant.name} is {approved['state']} after three approvals")
    year.progress.step()


def _terms(year: Year, applicant: Applicant, activities: str) -> dict[str, Any]:
    facts = year.facts.learning.agreement
    units = [{"unit_id": unit_id, "activities": [activities]} for unit_id in year.published.unit_ids.values()]
    return {
        "home_organisation_id": year.organisation_ids[applicant.key],
        "host_organisation_id": year.organisation_ids[year.facts.lead],
        "units": units,
        "starts_on": facts.starts_on.isoformat(),
        "ends_on": facts.ends_on.isoformat(),
        "assessment": {"method": facts.method, "responsible": facts.responsible},
        "recognition": {"method": facts.recognition},
    }


async def _stale_approval(approval: Any) -> None:
    """Approving what no longer stands must be refused."""
    try:
        await approval
    except Refused as refusal:
        if refusal.code != "stale_approval":
            raise
    else:
        raise PilotFailed("An approval of content that was changed meanwhile was accepted")


async def teach(year: Year) -> None:
    """The four modules one after another, the learners of each side by side."""
    learning = year.facts.learning
    starters = year.facts.starters()
    left = learning.withdrawal
    absent = [module for module in learning.modules if module.unit > left.after]
    year.progress.stage("Four modules, assessed to recognised", len(starters) * len(learning.modules) - len(absent))
    present = list(starters)
    for module in learning.modules:
        await for_each([(applicant, module) for applicant in present], lambda pair: _credit(year, *pair))
        if module.unit == left.after:
            path = f"{ENROLMENT}/learners/{year.enrolment_ids[left.learner]}/withdrawal"
            body = left.model_dump(mode="json", include={"reason_code", "note", "withdrawn_on"})
            await year.coordinator.post(path, body, f"withdrawal:{left.learner}")
            present = [applicant for applicant in present if applicant.key != left.learner]
        if module.unit == learning.reissue.unit:
            # Long before the badge is issued again, so that the correction has reached credentials by then.
            corrected = next(a for a in starters if a.key == learning.reissue.learner)
            await introduce(year, corrected, corrected.email)


async def _credit(year: Year, applicant: Applicant, module: Module) -> None:
    """One learner's unit: evidence, assessment, perhaps an appeal, validation, recognition."""
    learning = year.facts.learning
    act = f"{applicant.key}:{module.unit}"
    with traced(year.trace_of(applicant)):
        submission_id = await _evidence(year, applicant, module)
        credit = await year.staff[module.assessor].post(
            f"{ASSESSMENT}/submissions/{submission_id}/assessment",
            {
                "marks": _marks(year, applicant, module),
                "feedback": "Marked by the published rubric.",
                "assessed_on": module.assessed_on.isoformat(),
            },
            f"assessment:{act}",
        )
        path = f"{ASSESSMENT}/credits/{credit['credit_id']}"
        if (applicant.key, module.unit) == (learning.appeal.learner, learning.appeal.unit):
            await _appeal(year, path)
        if (applicant.key, module.unit) != (learning.not_achieved.learner, learning.not_achieved.unit):
            statement = "The assessed outcomes match those that the published unit requires."
            validated = {"validated_on": module.validated_on.isoformat(), "statement": statement}
            await year.staff[module.validator].post(f"{path}/validation", validated, f"validation:{act}")
            recognised = {"recognised_on": module.recognised_on.isoformat()}
            await year.staff[module.recogniser].post(f"{path}/recognition", recognised, f"recognition:{act}")
    year.progress.step()


async def _evidence(year: Year, applicant: Applicant, module: Module) -> str:
    learner = year.applicants[applicant.key]
    content = f"# {module.evidence}\n\n{applicant.cluster}, {applicant.name}, module {module.unit}\n".encode()
    body = {
        "title": f"{module.evidence}: {applicant.cluster}",
        "media_type": "text/markdown",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    unit_id = year.published.unit_ids[module.unit]
    path = f"{ASSESSMENT}/learners/{year.enrolment_ids[applicant.key]}/units/{unit_id}/submissions"
    # The enrolment and the agreement reach assessment by events: until then it knows no such learner.
    declared = await eventually(
        lambda: learner.post(path, body, f"evidence:{module.unit}"), "not_found", "no_agreement", within_s=ARRIVAL_S
    )
    submission_id = str(declared["submission_id"])
    await learner.put_bytes(f"{ASSESSMENT}/submissions/{submission_id}/content", content, "text/markdown")
    return submission_id


def _marks(year: Year, applicant: Applicant, module: Module) -> list[dict[str, Any]]:
    learning = year.facts.learning
    missing = {
        (fact.learner, fact.outcome): fact.comment
        for fact in (learning.not_achieved, learning.appeal)
        if fact.unit == module.unit
    }

    def mark(code: str) -> dict[str, Any]:
        comment = missing.get((applicant.key, code))
        level = learning.usual_level if comment is None else learning.not_achieved_level
        return {"outcome_id": year.published.outcome_ids[code], "level": level, "comment": comment or "Shown"}

    return [mark(outcome.code) for outcome in year.facts.unit(module.unit).outcomes]


async def _appeal(year: Year, credit_path: str) -> None:
    """The learner appeals, somebody else than the assessor decides, and the mark changes."""
    fact = year.facts.learning.appeal
    appeal = await year.applicants[fact.learner].post(f"{credit_path}/appeals", {"grounds": fact.grounds}, "appeal")
    mark = {
        "outcome_id": year.published.outcome_ids[fact.outcome],
        "level": fact.amended_level,
        "comment": fact.reason,
    }
    decision = {"upheld": True, "reason": fact.reason, "marks": [mark], "decided_on": fact.decided_on.isoformat()}
    await year.staff[fact.decided_by].post(f"{ASSESSMENT}/appeals/{appeal['appeal_id']}/decision", decision, "decision")
