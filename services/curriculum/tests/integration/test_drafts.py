"""Profiles and drafts: what is accepted, what is refused, what an edit keeps."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from cme_kit.ids import new_id


async def test_a_profile_can_be_read_by_everybody(desk: Any) -> None:
    profile_id = await desk.profile()

    one = await desk.get(f"/profiles/{profile_id}")
    listed = await desk.get("/profiles")
    skills = await desk.get("/skills")

    assert one.json()["areas"][0]["code"] == "governance"
    assert listed.json()["items"] == [one.json()]
    assert len(skills.json()) == 16
    assert (await desk.get(f"/profiles/{new_id('prf')}")).status_code == 404


async def test_a_profile_with_a_skill_that_esco_does_not_have_is_refused(desk: Any) -> None:
    body = desk.bodies["profile"]
    body["areas"][1]["skills"].append("http://data.europa.eu/esco/skill/none")

    answer = await desk.post("/profiles", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "unfit_profile")
    assert answer.json()["errors"][0]["field"] == "body.areas.1.skills.4"
    assert (await desk.get("/profiles")).json()["items"] == []


async def test_a_new_programme_is_version_1_in_draft_with_ids_for_units_and_outcomes(desk: Any) -> None:
    answer = await desk.post("/programmes", await desk.programme_body())

    draft = answer.json()
    assert (answer.status_code, draft["version"], draft["state"], draft["revision"]) == (201, 1, "draft", 1)
    assert answer.headers["etag"] == '"1"'
    assert draft["units"][0]["unit_id"].startswith("unt_")
    assert draft["units"][0]["outcomes"][0]["outcome_id"].startswith("out_")
    assert draft["validation"] is None


UNFIT: list[tuple[Callable[[dict[str, Any]], Any], str, str | None]] = [
    (lambda b: b.update(points=9), "unfit_programme", "body.points"),
    (lambda b: b["units"][0]["outcomes"][0].update(area="x"), "unfit_programme", "body.units.0.outcomes.0.area"),
    (lambda b: b.update(eqf_level=9), "invalid_request", "body.eqf_level"),
    (lambda b: b.update(slug="No Slug"), "invalid_request", "body.slug"),
    (lambda b: b.update(title={"sv": "Klusterledare"}), "invalid_request", "body.title"),
    (lambda b: b.update(colour="blue"), "invalid_request", "body.colour"),
    (lambda b: b["units"][0].update(unit_id="unt_1"), "invalid_request", "body.units.0.unit_id"),
    (
        lambda b: b["units"][0]["outcomes"][0].update(kind="competence"),
        "invalid_request",
        "body.units.0.outcomes.0.kind",
    ),
    (lambda b: b.update(profile_id="prf_none"), "unfit_programme", None),
]


async def test_a_programme_that_does_not_fit_is_refused_and_nothing_is_saved(desk: Any) -> None:
    sound = await desk.programme_body()
    for change, code, field in UNFIT:
        body = deepcopy(sound)
        change(body)

        answer = await desk.post("/programmes", body)

        assert (answer.status_code, answer.json()["code"]) == (422, code), field
        assert answer.headers["content-type"] == "application/problem+json"
        if field:
            assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await desk.get("/programmes", desk.coordinator)).json()["items"] == []


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_slug_belongs_to_one_programme_however_many_ask_at_once(desk: Any) -> None:
    body = await desk.programme_body()

    answers = await asyncio.gather(*(desk.post("/programmes", body) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "slug_taken"
    assert len((await desk.get("/programmes", desk.coordinator)).json()["items"]) == 1


async def test_a_repeated_key_answers_the_first_programme(desk: Any) -> None:
    body = await desk.programme_body()
    headers = {**desk.coordinator, "Idempotency-Key": "programme-1"}

    first, second = await desk.post("/programmes", body, headers), await desk.post("/programmes", body, headers)
    other = await desk.post("/programmes", {**body, "slug": "other"}, headers)

    assert first.json() == second.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_an_edit_keeps_the_ids_of_what_keeps_its_code(desk: Any) -> None:
    draft = await desk.draft()
    body = await desk.programme_body(title={"en": "Leading a cluster"})
    body["units"][1]["code"] = "M3"

    answer = await desk.put(desk.path(draft), body, draft["revision"])

    edited = answer.json()
    assert (answer.status_code, edited["revision"], answer.headers["etag"]) == (200, 2, '"2"')
    assert edited["units"][0] == draft["units"][0]
    assert edited["units"][1]["unit_id"] != draft["units"][1]["unit_id"]
    assert edited["content_hash"] != draft["content_hash"]


async def test_an_edit_names_the_revision_it_saw(desk: Any) -> None:
    draft = await desk.draft()
    body = await desk.programme_body()

    missing = await desk.put(desk.path(draft), body, None)
    stale = await desk.put(desk.path(draft), body, 7)
    renamed = await desk.put(desk.path(draft), {**body, "slug": "other"}, 1)
    unknown = await desk.put(f"/programmes/{new_id('prg')}/versions/1", body, 1)

    assert (missing.status_code, stale.status_code, unknown.status_code) == (428, 412, 404)
    assert (renamed.status_code, renamed.json()["code"]) == (409, "slug_fixed")
    assert (await desk.get(desk.path(draft), desk.coordinator)).json() == draft


async def test_of_two_edits_of_one_revision_one_is_saved(desk: Any) -> None:
    draft = await desk.draft()
    bodies = [await desk.programme_body(title={"en": title}) for title in ("One", "Two")]

    answers = await asyncio.gather(*(desk.put(desk.path(draft), body, 1) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_malformed_body_is_refused(desk: Any) -> None:
    headers = {**desk.coordinator, "Content-Type": "application/json"}

    answer = await desk.http.post("/curriculum/v1/programmes", content=b'{"slug": ', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


async def test_the_next_version_needs_a_programme_and_a_published_latest(desk: Any) -> None:
    draft = await desk.draft()

    unknown = await desk.post(f"/programmes/{new_id('prg')}/versions", {})
    early = await desk.post(f"/programmes/{draft['programme_id']}/versions", {})
    filled = await desk.post(f"/programmes/{draft['programme_id']}/versions", {"number": 7})

    assert (unknown.status_code, early.json()["code"], filled.status_code) == (404, "draft_exists", 422)


async def test_a_programme_lists_its_versions(desk: Any) -> None:
    published = await desk.published()
    await desk.done(f"/programmes/{published['programme_id']}/versions")

    programme = (await desk.get(f"/programmes/{published['programme_id']}", desk.coordinator)).json()

    assert (programme["latest_version"], programme["published_version"]) == (2, 1)
    assert [version["state"] for version in programme["versions"]] == ["published", "draft"]
    assert (await desk.get(f"/programmes/{new_id('prg')}", desk.coordinator)).status_code == 404
