"""The profile, the programme, its review by experts and reference group, its publication, and the offering."""

from typing import Any

from cme_local.pilot.client import for_each
from cme_local.pilot.programme_facts import Comment, Outcome, Session, Unit, Vote
from cme_local.pilot.year import Published, Year

BASE = "/curriculum/v1"
_MEETINGS = "https://meet.clustereducation.example"


async def publish(year: Year) -> None:
    """Write, review, publish and offer the programme."""
    review = year.facts.curriculum.review
    year.progress.stage("Curriculum: written, reviewed, published", 4 + len(review.comments) + len(review.votes))
    draft = await _write(year)
    programme_id = draft["programme_id"]
    version_path = f"{BASE}/programmes/{programme_id}/versions/{draft['version']}"
    outcomes = [outcome for unit in draft["units"] for outcome in unit["outcomes"]]
    year.programme = Published(
        programme_id=programme_id,
        version=draft["version"],
        unit_ids={unit["code"]: unit["unit_id"] for unit in draft["units"]},
        outcome_ids={outcome["code"]: outcome["outcome_id"] for outcome in outcomes},
    )
    await _review(year, version_path)
    await year.coordinator.post(f"{version_path}/publication", {}, "publication")
    year.progress.step()
    await _offer(year)


async def _write(year: Year) -> Any:
    curriculum, skills = year.facts.curriculum, year.facts.skills
    profile = curriculum.profile
    areas = [
        {"code": area.code, "title": area.title, "skills": [skills[skill] for skill in area.skills]}
        for area in profile.areas
    ]
    body = {"title": profile.title, "description": profile.description, "areas": areas}
    made = await year.coordinator.post(f"{BASE}/profiles", body, "profile")
    year.progress.step()
    hosts = {partner.key: partner.name for partner in year.facts.partners}

    def outcome(fact: Outcome) -> dict[str, Any]:
        return {
            "code": fact.code,
            "kind": fact.kind,
            "statement": {"en": fact.statement},
            "required": True,
            "area": fact.area,
            "esco_uris": [skills[skill] for skill in fact.skills],
        }

    def unit(fact: Unit) -> dict[str, Any]:
        return {
            **fact.model_dump(include={"code", "module", "title", "points", "assessment_method", "criteria"}),
            "host": hosts[fact.host],
            "outcomes": [outcome(each) for each in fact.outcomes],
        }

    programme = curriculum.programme.model_dump() | {"profile_id": made["profile_id"]}
    programme["units"] = [unit(each) for each in curriculum.units]
    draft = await year.coordinator.post(f"{BASE}/programmes", programme, "programme")
    year.progress.step()
    return draft


async def _review(year: Year, version_path: str) -> None:
    facts, staff = year.facts.curriculum.review, year.staff
    invited = {
        "experts": [staff[key].subject for key in facts.experts],
        "reference_group": [staff[key].subject for key in facts.reference_group],
        "quorum": facts.quorum,
    }
    review = await year.coordinator.post(f"{version_path}/review", invited, "review")
    path = f"{BASE}/reviews/{review['review_id']}"

    async def comment(fact: Comment) -> None:
        outcome_id = year.published.outcome_ids[fact.outcome]
        body = {"outcome_id": outcome_id, "text": fact.text, "blocking": fact.blocking}
        made = await staff[fact.by].post(f"{path}/comments", body, f"comment:{fact.outcome}")
        if fact.resolution is not None:
            answer = {"text": fact.resolution}
            resolution = f"{path}/comments/{made['comment_id']}/resolution"
            await year.coordinator.post(resolution, answer, f"resolution:{fact.outcome}")
        year.progress.step()

    async def vote(fact: Vote) -> None:
        await staff[fact.by].post(f"{path}/votes", {"vote": fact.vote, "statement": fact.statement}, "vote")
        year.progress.step()

    await for_each(facts.comments, comment)
    await for_each(facts.votes, vote)


async def _offer(year: Year) -> None:
    facts = year.facts.curriculum.offering
    partners = {partner.key: partner for partner in year.facts.partners}

    def session(fact: Session) -> dict[str, Any]:
        body: dict[str, Any] = {
            "unit_code": fact.unit,
            "title": {"en": fact.title},
            "mode": fact.mode,
            "starts_at": fact.start,
            "ends_at": fact.end,
        }
        if fact.place is not None:
            host = partners[fact.place]
            return body | {"place": {"name": host.name, "city": fact.city, "country": host.country}}
        return body | {"url": f"{_MEETINGS}/{fact.unit.lower()}"}

    body = facts.model_dump(mode="json", exclude={"sessions"}) | {
        "programme_id": year.published.programme_id,
        "version": year.published.version,
        "sessions": [session(each) for each in facts.sessions],
    }
    await year.coordinator.post(f"{BASE}/offerings", body, "offering")
    year.progress.step()
