"""Offerings: published, changed, cancelled."""

from typing import Any

import pytest
from cme_contracts.curriculum import OfferingCancelled, OfferingPublished
from cme_kit.ids import new_id
from cme_kit.testing import Bus, eventually


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_an_offering_appears_with_its_course_and_as_an_event(desk: Any, bus: Bus) -> None:
    version = await desk.published()

    offering = await desk.offering(version)

    async def event() -> list[Any]:
        return await bus.published(OfferingPublished)

    [envelope] = await eventually(event)
    [shown] = (await desk.get("/catalogue/courses/cluster-manager")).json()["offerings"]
    assert (offering["state"], offering["revision"]) == ("published", 1)
    assert envelope.subject == offering["offering_id"] == shown["offering_id"]
    assert envelope.data["programme_version"] == 1
    assert [session["unit_code"] for session in shown["sessions"]] == ["M1", "M2"]
    assert shown["url"].endswith(f"/curriculum/v1/offerings/{offering['offering_id']}")
    assert (await desk.get(f"/offerings/{offering['offering_id']}")).json() == offering
    listed = await desk.get(f"/offerings?programme_id={version['programme_id']}")
    assert listed.json()["items"] == [offering]


async def test_only_a_published_version_can_be_offered(desk: Any) -> None:
    draft = await desk.draft()

    for programme_id, number in ((draft["programme_id"], 1), (new_id("prg"), 1), (draft["programme_id"], 2)):
        body = desk.offering_body({"programme_id": programme_id, "version": number})
        answer = await desk.post("/offerings", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "version_not_published")


UNFIT: list[tuple[dict[str, Any], str, str | None]] = [
    ({"ends_on": "2026-01-01"}, "unfit_offering", "body.ends_on"),
    ({"seats": 0}, "invalid_request", "body.seats"),
    ({"language": "ru"}, "invalid_request", "body.language"),
    ({"price": 100}, "invalid_request", "body.price"),
    ({"application_deadline": "soon"}, "invalid_request", None),
    (
        {
            "sessions": [
                {
                    "unit_code": "M7",
                    "title": {"en": "T"},
                    "mode": "online",
                    "starts_at": "2026-10-01T09:00:00Z",
                    "ends_at": "2026-10-01T10:00:00Z",
                }
            ]
        },
        "unfit_offering",
        "body.sessions.0.unit_code",
    ),
    (
        {
            "sessions": [
                {
                    "unit_code": "M1",
                    "title": {"en": "T"},
                    "mode": "online",
                    "starts_at": "2026-10-01T09:00:00",
                    "ends_at": "2026-10-01T10:00:00Z",
                }
            ]
        },
        "invalid_request",
        "body.sessions.0.starts_at",
    ),
    (
        {
            "sessions": [
                {
                    "unit_code": "M1",
                    "title": {"en": "T"},
                    "mode": "online",
                    "url": "javascript:alert(1)",
                    "starts_at": "2026-10-01T09:00:00Z",
                    "ends_at": "2026-10-01T10:00:00Z",
                }
            ]
        },
        "invalid_request",
        "body.sessions.0.url",
    ),
]


async def test_an_offering_that_does_not_fit_is_refused(desk: Any) -> None:
    version = await desk.published()
    for changes, code, field in UNFIT:
        answer = await desk.post("/offerings", desk.offering_body(version, **changes))

        assert (answer.status_code, answer.json()["code"]) == (422, code), changes
        if field:
            assert field in [error["field"] for error in answer.json()["errors"]]
    assert await desk.feed() == [(1, "course", "upserted")]


async def test_a_code_stands_once_in_a_programme(desk: Any) -> None:
    version = await desk.published()
    await desk.offering(version)
    second = await desk.offering(version, code="2027-28")

    again = await desk.post("/offerings", desk.offering_body(version))
    renamed = await desk.put(f"/offerings/{second['offering_id']}", desk.offering_body(version), 1)

    assert (again.status_code, again.json()["code"]) == (409, "code_taken")
    assert (renamed.status_code, renamed.json()["code"]) == (409, "code_taken")


async def test_a_change_names_the_revision_it_saw(desk: Any) -> None:
    version = await desk.published()
    offering = await desk.offering(version)
    path = f"/offerings/{offering['offering_id']}"
    body = desk.offering_body(version, seats=24)

    missing, stale = await desk.put(path, body, None), await desk.put(path, body, 3)
    moved = await desk.put(path, {**body, "programme_id": new_id("prg")}, 1)
    changed = await desk.put(path, body, 1)
    unknown = await desk.put(f"/offerings/{new_id('off')}", body, 1)

    assert (missing.status_code, stale.status_code, unknown.status_code) == (428, 412, 404)
    assert (moved.status_code, moved.json()["code"]) == (409, "programme_fixed")
    assert (changed.json()["seats"], changed.json()["revision"], changed.headers["etag"]) == (24, 2, '"2"')
    assert (await desk.get("/catalogue/courses/cluster-manager")).json()["offerings"][0]["seats"] == 24


async def test_a_cancelled_offering_leaves_the_catalogue_and_says_why(desk: Any, bus: Bus) -> None:
    version = await desk.published()
    offering = await desk.offering(version)
    path = f"/offerings/{offering['offering_id']}"

    cancelled = await desk.done(f"{path}/cancellation", {"reason": "Too few applicants"})
    again = await desk.post(f"{path}/cancellation", {"reason": "Still"})
    changed = await desk.put(path, desk.offering_body(version), 2)

    async def event() -> list[Any]:
        return await bus.published(OfferingCancelled)

    [envelope] = await eventually(event)
    assert envelope.data["reason"] == "Too few applicants"
    assert (cancelled["state"], cancelled["cancellation_reason"]) == ("cancelled", "Too few applicants")
    assert {(a.status_code, a.json()["code"]) for a in (again, changed)} == {(409, "offering_cancelled")}
    assert (await desk.get("/catalogue/courses/cluster-manager")).json()["offerings"] == []
    assert (await desk.get(path)).json()["state"] == "cancelled"
    assert (await desk.feed())[-2:] == [(4, "offering", "deleted"), (5, "course", "upserted")]
