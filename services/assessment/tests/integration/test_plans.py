from typing import Any

from cme_kit.ids import new_id


async def test_each_unit_of_a_published_version_has_a_plan_with_the_default_rubric(stage: Any) -> None:
    plans = await stage.plans()

    assert [plan["unit_code"] for plan in plans] == ["M1", "M2"]
    assert [outcome["code"] for outcome in plans[0]["outcomes"]] == ["M1-K", "M1-S", "M1-R"]
    assert [(step["level"], step["achieved"]) for step in plans[0]["rubric"]] == [
        (0, False),
        (1, False),
        (2, True),
        (3, True),
        (4, True),
    ]
    assert plans[0]["method"] == {"en": "Practical assignment"}
    assert plans[0]["assessing_institution_id"] == stage.host


async def test_a_plan_is_changed_at_the_revision_that_was_read(either_driver: Any) -> None:
    stage = either_driver
    [plan, _] = await stage.plans()
    path = f"/plans/{plan['plan_id']}"
    read = await stage.call(stage.coordinator, "GET", path)
    body = stage.change_of(plan, due_on="2021-03-31", method={"en": "Portfolio", "fi": "Portfolio"})

    changed = await stage.call(stage.coordinator, "PUT", path, body, If_Match=read.headers["etag"])
    stale = await stage.call(stage.coordinator, "PUT", path, body, If_Match=read.headers["etag"])
    without = await stage.call(stage.coordinator, "PUT", path, body)

    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == f'"{plan["revision"] + 1}"'
    assert (changed.json()["due_on"], changed.json()["method"]["fi"]) == ("2021-03-31", "Portfolio")
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (without.status_code, without.json()["code"]) == (428, "precondition_required")
    assert (await stage.ok(stage.coordinator, "GET", path)) == changed.json()


async def test_a_plan_that_breaks_a_rule_is_refused_and_stays(stage: Any) -> None:
    [plan, _] = await stage.plans()
    path, etag = f"/plans/{plan['plan_id']}", f'"{plan["revision"]}"'
    flat = [{"level": 0, "label": "No", "achieved": False}, {"level": 1, "label": "No", "achieved": False}]
    wrong = [
        ({"recognising_institution_id": stage.host}, 422, "duties_not_separated"),
        ({"validating_institution_id": new_id("org")}, 409, "unknown_organisation"),
        ({"rubric": flat}, 422, "unsound_rubric"),
        ({"rubric": [{**flat[0], "level": "0"}, flat[1]]}, 422, "invalid_request"),
        ({"rubric": [{**flat[0], "achieved": "yes"}, flat[1]]}, 422, "invalid_request"),
        ({"due_on": 0}, 422, "invalid_request"),
        ({"method": {"en": "A", "fr": "B"}}, 422, "invalid_request"),
        ({"points": 20}, 422, "invalid_request"),
        ({"revision": 9}, 422, "invalid_request"),
    ]

    for changed, status, code in wrong:
        body = stage.change_of(plan, **changed)
        answer = await stage.call(stage.coordinator, "PUT", path, body, If_Match=etag)
        assert (answer.status_code, answer.json()["code"]) == (status, code), changed

    assert await stage.ok(stage.coordinator, "GET", path) == plan


async def test_unknown_plans_and_callers_without_the_scope_are_refused(stage: Any) -> None:
    [plan, _] = await stage.plans()
    body = stage.change_of(plan)

    unknown = await stage.call(stage.coordinator, "PUT", f"/plans/{new_id('pln')}", body, If_Match='"1"')
    missing = await stage.call(stage.coordinator, "GET", f"/plans/{new_id('pln')}")
    assessor = await stage.call(stage.assessor, "PUT", f"/plans/{plan['plan_id']}", body, If_Match='"2"')

    assert [answer.status_code for answer in (unknown, missing, assessor)] == [404, 404, 403]


async def test_plans_are_listed_in_pages(stage: Any) -> None:
    plans = await stage.plans()

    first = await stage.call(stage.assessor, "GET", "/plans?limit=1")
    rest = await stage.ok(stage.assessor, "GET", f"/plans?limit=1&after={first.json()['next']}")

    assert first.json()["items"] == plans[:1]
    assert 'rel="next"' in first.headers["link"]
    assert rest == {"items": plans[1:], "next": None}
    assert (await stage.ok(stage.assessor, "GET", "/plans?version=2"))["items"] == []
