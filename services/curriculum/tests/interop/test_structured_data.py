"""An independent reader of structured data (extruct) finds the course in the page."""

from typing import Any

import extruct
from cme_kit.testing import Bus, Engines, Tokens, running
from curriculum.app import build
from curriculum.settings import Settings


async def course_page(service: Any, tokens: Tokens, bodies: tuple[Any, Any, Any]) -> str:
    profile, programme, offering = bodies
    base = "/curriculum/v1"
    author = tokens.bearer(
        "client-author",
        *("curriculum.profiles:write", "curriculum.programmes:write"),
        *("curriculum.reviews:write", "curriculum.offerings:write"),
    )
    people = ["per_01jb6x00000000000000000001", "per_01jb6x00000000000000000002"]

    async def post(path: str, body: Any, headers: dict[str, str] = author) -> Any:
        answer = await service.http.post(base + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    profile_id = (await post("/profiles", profile))["profile_id"]
    draft = await post("/programmes", {**programme, "profile_id": profile_id})
    version = f"/programmes/{draft['programme_id']}/versions/1"
    review = await post(f"{version}/review", {"experts": people[:1], "reference_group": people[1:], "quorum": 2})
    for person in people:
        headers = tokens.bearer(person, "curriculum.reviews:comment")
        await post(f"/reviews/{review['review_id']}/votes", {"vote": "approve", "statement": "Yes"}, headers)
    await post(f"{version}/publication", {})
    await post("/offerings", {**offering, "programme_id": draft["programme_id"]})
    page = await service.http.get("/courses/cluster-manager", headers={"Accept": "text/html"})
    return str(page.text)


async def test_a_reader_of_structured_data_finds_the_course_and_its_dated_run(
    engines: Engines,
    bus: Bus,
    tokens: Tokens,
    profile_body: dict[str, Any],
    programme_body: dict[str, Any],
    offering_body: dict[str, Any],
) -> None:
    async with running(build(engines.settings(Settings)), tokens) as service:
        page = await course_page(service, tokens, (profile_body, programme_body, offering_body))

    [course] = extruct.extract(page, base_url="http://gateway.test/courses", syntaxes=["json-ld"])["json-ld"]

    assert (course["@context"], course["@type"]) == ("https://schema.org", "Course")
    # What search engines require of a course and recommend for its instance.
    assert {"name", "description", "provider", "hasCourseInstance"} <= set(course)
    [instance] = course["hasCourseInstance"]
    assert instance["@type"] == "CourseInstance"
    assert {"courseMode", "startDate", "endDate", "location", "inLanguage"} <= set(instance)
