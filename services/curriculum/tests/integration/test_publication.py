"""From a draft to the catalogue."""

import asyncio
from typing import Any

import pytest
from cme_contracts.curriculum import ProgrammePublished
from cme_kit.testing import Bus, eventually


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_validated_version_is_published_with_its_event_and_shown_in_the_catalogue(desk: Any, bus: Bus) -> None:
    published = await desk.published()

    async def event() -> list[Any]:
        return await bus.published(ProgrammePublished)

    [envelope] = await eventually(event)
    course = (await desk.get("/catalogue/courses/cluster-manager")).json()
    assert published["state"] == "published"
    assert envelope.subject == published["programme_id"]
    assert envelope.data["content_hash"] == published["content_hash"] == course["content_hash"]
    assert [unit["unit_id"] for unit in envelope.data["units"]] == [unit["unit_id"] for unit in published["units"]]
    assert course["validation"]["in_favour"] == 3
    assert course["url"] == "http://gateway.test/courses/cluster-manager"


async def test_nothing_is_published_without_an_approving_review(desk: Any) -> None:
    draft = await desk.draft()
    without = await desk.post(f"{desk.path(draft)}/publication", {})
    await desk.review(draft)
    during = await desk.post(f"{desk.path(draft)}/publication", {})

    assert (without.status_code, without.json()["code"]) == (409, "not_validated")
    assert (during.status_code, during.json()["code"]) == (409, "not_validated")
    assert (await desk.get("/catalogue/courses/cluster-manager")).status_code == 404


async def test_a_published_version_never_changes_again(desk: Any) -> None:
    published = await desk.published()
    body = await desk.programme_body(title={"en": "Another title"})

    edited = await desk.put(desk.path(published), body, published["revision"])
    reviewed = await desk.post(
        f"{desk.path(published)}/review",
        {"experts": desk.experts, "reference_group": desk.reference_group, "quorum": 2},
    )
    again = await desk.post(f"{desk.path(published)}/publication", {})
    now = await desk.get(desk.path(published), desk.coordinator)

    assert [(a.status_code, a.json()["code"]) for a in (edited, reviewed, again)] == [
        (409, "not_a_draft"),
        (409, "not_a_draft"),
        (409, "already_published"),
    ]
    assert now.json() == published


async def test_of_many_publications_at_once_one_succeeds(desk: Any, bus: Bus) -> None:
    version = await desk.draft()
    await desk.approved(version)

    answers = await asyncio.gather(*(desk.post(f"{desk.path(version)}/publication", {}) for _ in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert await desk.feed() == [(1, "course", "upserted")]


async def test_a_repeated_publication_under_one_key_answers_the_same(desk: Any) -> None:
    version = await desk.draft()
    await desk.approved(version)
    headers = {**desk.coordinator, "Idempotency-Key": "publish-1"}

    first = await desk.post(f"{desk.path(version)}/publication", {}, headers)
    second = await desk.post(f"{desk.path(version)}/publication", {}, headers)

    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert await desk.feed() == [(1, "course", "upserted")]


async def test_the_next_version_is_a_copy_under_new_ids_and_leaves_the_former_as_it_was(desk: Any) -> None:
    first = await desk.published()

    second = await desk.done(f"/programmes/{first['programme_id']}/versions", {})
    again = await desk.post(f"/programmes/{first['programme_id']}/versions", {})
    await desk.approved(second)
    await desk.done(f"{desk.path(second)}/publication", {})

    assert (second["version"], second["state"]) == (2, "draft")
    assert again.json()["code"] == "draft_exists"
    ids = [{unit["unit_id"] for unit in version["units"]} for version in (first, second)]
    assert not ids[0] & ids[1]
    assert (await desk.get("/catalogue/courses/cluster-manager")).json()["version"] == 2
    kept = await desk.get("/catalogue/courses/cluster-manager/versions/1")
    assert kept.json() == first
    assert "immutable" in kept.headers["cache-control"]


async def test_only_published_versions_are_public(desk: Any) -> None:
    first = await desk.published()
    await desk.done(f"/programmes/{first['programme_id']}/versions", {})
    puller = desk.tokens.bearer("client-eccp", "curriculum.catalogue:read")

    published = await desk.get(desk.path(first), puller)
    draft = await desk.get(f"/programmes/{first['programme_id']}/versions/2", puller)
    unknown = await desk.get("/catalogue/courses/cluster-manager/versions/2")

    assert (published.status_code, draft.status_code, unknown.status_code) == (200, 404, 404)
