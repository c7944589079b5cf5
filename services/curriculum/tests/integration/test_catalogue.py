"""The catalogue as partner platforms pull it: validators, pages of a list, the gapless feed."""

import asyncio
from typing import Any

import pytest


async def test_an_unchanged_course_answers_304_until_it_changes(desk: Any) -> None:
    version = await desk.published()
    path = "/catalogue/courses/cluster-manager"
    first = await desk.get(path)

    same = await desk.get(path, {"If-None-Match": first.headers["etag"]})
    listed = await desk.get(path, {"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    await desk.offering(version)
    changed = await desk.get(path, {"If-None-Match": first.headers["etag"]})

    assert (same.status_code, same.content, listed.status_code) == (304, b"", 304)
    assert same.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == "public, no-cache"
    assert not first.headers["etag"].startswith("W/")
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_last_modified_works_for_those_who_know_no_entity_tags(desk: Any) -> None:
    version = await desk.published()
    path = "/catalogue/courses/cluster-manager"
    early = (await desk.get(path)).headers["last-modified"]
    await desk.offering(version)
    after_change = await desk.get(path, {"If-Modified-Since": early})
    await asyncio.sleep(1.05)
    modified = (await desk.get(path)).headers["last-modified"]

    same = await desk.get(path, {"If-Modified-Since": modified})
    nonsense = await desk.get(path, {"If-Modified-Since": "yesterday"})
    tag_first = await desk.get(path, {"If-Modified-Since": modified, "If-None-Match": '"other"'})

    assert after_change.status_code == 200
    assert (same.status_code, nonsense.status_code, tag_first.status_code) == (304, 200, 200)


async def test_the_list_comes_in_pages_and_by_language_of_teaching(desk: Any) -> None:
    for slug, language in (("c", "en"), ("a", "sv"), ("b", "en")):
        await desk.published(slug=slug, language=language)

    first = await desk.get("/catalogue/courses?limit=2")
    rest = await desk.get(f"/catalogue/courses?limit=2&after={first.json()['next']}")
    swedish = await desk.get("/catalogue/courses?language=sv")
    wrong = await desk.get("/catalogue/courses?language=xx")
    same = await desk.get("/catalogue/courses?limit=2", {"If-None-Match": first.headers["etag"]})

    assert [course["slug"] for course in first.json()["items"]] == ["a", "b"]
    assert first.headers["link"].endswith('rel="next"')
    assert [course["slug"] for course in rest.json()["items"]] == ["c"]
    assert rest.json()["next"] is None
    assert [course["slug"] for course in swedish.json()["items"]] == ["a"]
    assert (wrong.status_code, same.status_code) == (422, 304)
    assert "last-modified" in first.headers


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_the_feed_numbers_concurrent_changes_without_gaps(desk: Any) -> None:
    version = await desk.published()

    await asyncio.gather(*(desk.offering(version, code=f"run-{n}") for n in range(5)))

    feed = await desk.feed()
    assert [sequence for sequence, _, _ in feed] == list(range(1, 12))
    assert len((await desk.get("/catalogue/courses/cluster-manager")).json()["offerings"]) == 5


async def test_a_puller_follows_the_feed_in_parts(desk: Any) -> None:
    version = await desk.published()
    await desk.offering(version)

    first = (await desk.get("/catalogue/changes?limit=2")).json()
    rest = (await desk.get(f"/catalogue/changes?after={first['last_sequence']}&limit=2")).json()
    nothing = await desk.get(f"/catalogue/changes?after={rest['last_sequence']}")

    assert (len(first["changes"]), first["last_sequence"], first["more"]) == (2, 2, True)
    assert (len(rest["changes"]), rest["last_sequence"], rest["more"]) == (1, 3, False)
    assert nothing.json() == {"changes": [], "last_sequence": 3, "more": False}
    assert first["changes"][0]["url"] == "http://gateway.test/courses/cluster-manager"
    assert (await desk.get("/catalogue/changes?after=3", {"If-None-Match": nothing.headers["etag"]})).status_code == 304


async def test_a_number_that_the_feed_never_had_is_refused(desk: Any) -> None:
    answer = await desk.get("/catalogue/changes?after=99")

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sequence")
    assert (await desk.get("/catalogue/changes?after=-1")).status_code == 422


async def test_a_withdrawn_course_leaves_tombstones_and_comes_back_with_its_next_version(desk: Any) -> None:
    version = await desk.published()
    offering = await desk.offering(version)
    path = f"/programmes/{version['programme_id']}"

    await desk.done(f"{path}/withdrawal", {"reason": "Being revised"})
    gone = await desk.get("/catalogue/courses/cluster-manager")
    again = await desk.post(f"{path}/withdrawal", {"reason": "Again"})
    late = await desk.put(f"/offerings/{offering['offering_id']}", desk.offering_body(version), 1)
    kept = await desk.get("/catalogue/courses/cluster-manager/versions/1")
    second = await desk.done(f"{path}/versions")
    await desk.approved(second)
    await desk.done(f"{desk.path(second)}/publication")

    assert (gone.status_code, gone.json()["code"]) == (410, "course_withdrawn")
    assert "Being revised" in gone.json()["detail"]
    assert {(a.status_code, a.json()["code"]) for a in (again, late)} == {(409, "not_in_catalogue")}
    assert kept.status_code == 200
    assert await desk.feed(after=3) == [
        (4, "offering", "deleted"),
        (5, "course", "deleted"),
        (6, "course", "upserted"),
        (7, "offering", "upserted"),
    ]
    assert len((await desk.get("/catalogue/courses/cluster-manager")).json()["offerings"]) == 1


async def test_an_offering_of_a_withdrawn_course_can_be_cancelled_and_stays_away(desk: Any) -> None:
    version = await desk.published()
    offering = await desk.offering(version)
    await desk.done(f"/programmes/{version['programme_id']}/withdrawal", {"reason": "Over"})

    await desk.done(f"/offerings/{offering['offering_id']}/cancellation", {"reason": "Over"})

    assert len(await desk.feed()) == 5
