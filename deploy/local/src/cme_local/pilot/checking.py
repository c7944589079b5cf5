"""Judging the result from outside: every badge verified, the catalogue pulled as a collaboration platform would."""

import hashlib
from collections.abc import Callable
from typing import Any

import httpx

from cme_local.pilot.actors import Actor
from cme_local.pilot.awarding import awards
from cme_local.pilot.client import PilotFailed, for_each
from cme_local.pilot.year import Year


async def verify_badges(year: Year) -> int:
    """Have every badge verified by the public endpoint. How many passed. Raises PilotFailed for any other result."""
    made = await awards(year)
    year.progress.stage("Every badge verified", len(made) + 1)

    async def verify(url: str) -> dict[str, str]:
        answer = (await year.client.send("POST", "/credentials/v1/verification", json={"url": url})).json()
        year.progress.step()
        return {check["check"]: check["result"] for check in answer["checks"]} | {"verified": str(answer["verified"])}

    results = await for_each([award["url"] for award in made], verify)
    for award, checks in zip(made, results, strict=True):
        if checks.pop("verified") != "True" or set(checks.values()) != {"passed"}:
            raise PilotFailed(f"The badge {award['url']} does not verify: {checks}")
    revoked = await verify(year.revoked_badge)
    failed = [check for check, result in revoked.items() if result == "failed"]
    if failed != ["status"] or revoked["verified"] != "False":
        raise PilotFailed(f"The revoked badge {year.revoked_badge} must fail on its status only: {revoked}")
    await _reissued_for_the_right_address(year, made)
    return len(made)


async def _reissued_for_the_right_address(year: Year, made: list[Any]) -> None:
    fact = year.facts.learning.reissue
    learner = next(applicant for applicant in year.facts.applicants if applicant.key == fact.learner)
    award = next(award for award in made if award["edition"] > 1)
    credential = (await _get(year, award["url"], "application/vc+ld+json")).json()
    hashes = [i for i in credential["credentialSubject"]["identifier"] if i["identityType"] == "emailAddress"]
    right = [
        i
        for i in hashes
        if i["identityHash"] == "sha256$" + hashlib.sha256(f"{learner.email}{i['salt']}".encode()).hexdigest()
    ]
    if not right:
        raise PilotFailed(f"The badge {award['url']} was issued again, and not for the corrected address")


async def pull_catalogue(year: Year, harvester: Actor) -> int:
    """Read the change feed to its end and each course in it, then again conditionally. How many courses."""
    year.progress.stage("Catalogue pulled", 1)
    changes: list[Any] = []
    while True:
        after = changes[-1]["sequence"] if changes else 0
        part = await harvester.get("/curriculum/v1/catalogue/changes", after=after, limit=100)
        changes += part["changes"]
        if not part["more"]:
            break
    sequences = [change["sequence"] for change in changes]
    if sequences != list(range(1, len(sequences) + 1)):
        raise PilotFailed(f"The change feed has gaps: {sequences}")
    slugs = {change["slug"] for change in changes if change["kind"] == "course" and change["change"] == "upserted"}
    for slug in slugs:
        await _pull_course(year, f"{year.api}/courses/{slug}")
    year.progress.step()
    return len(slugs)


async def _pull_course(year: Year, url: str) -> None:
    first = await _get(year, url, "application/ld+json")
    course = first.json()
    if course.get("@type") != "Course" or not course.get("hasCourseInstance"):
        raise PilotFailed(f"{url} is no schema.org Course with instances: {sorted(course)}")
    again = await _get(year, url, "application/ld+json", {"If-None-Match": first.headers["etag"]})
    if again.status_code != httpx.codes.NOT_MODIFIED:
        raise PilotFailed(f"{url} was not modified and answered {again.status_code} to a conditional request")


async def check_samples(year: Year, samples: dict[str, str]) -> None:
    """Each public address answers a program with JSON and a browser with a page."""
    answers: dict[str, Callable[[str], bool]] = {
        "application/json": lambda kind: kind.endswith("json"),
        "text/html": lambda kind: kind == "text/html",
    }
    for name, url in samples.items():
        for accept, fits in answers.items():
            answer = await _get(year, url, accept)
            kind = answer.headers["content-type"].partition(";")[0]
            if not fits(kind):
                raise PilotFailed(f"The {name} {url} answered {kind} to Accept: {accept}")


async def _get(year: Year, url: str, accept: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return await year.client.send("GET", url, headers={"Accept": accept} | (headers or {}), accept=(304,))
