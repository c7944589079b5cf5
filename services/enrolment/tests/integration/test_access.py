"""Every endpoint that is not public needs a token, and one with its scope."""

from typing import Any

from cme_kit.openapi import api_routes, requirement_of

PUBLIC = {"/enrolment/v1/calls", "/enrolment/v1/calls/{call_id}", "/health/live", "/health/ready", "/metrics"}


async def test_without_its_scope_no_endpoint_answers(house: Any) -> None:
    stranger = house.someone("stranger", "curriculum.profiles:write")
    routes = api_routes(house.service.app)
    open_to_all = {route.path for route in routes if not requirement_of(route).scopes}

    for route in routes:
        if not requirement_of(route).scopes:
            continue
        path = route.path.format(**dict.fromkeys(route.param_convertors, "x"))
        for method in route.methods:
            for headers, status in (
                ({}, 401),
                (stranger.headers, 403),
                ({"Authorization": "Bearer no.token.here"}, 401),
            ):
                answer = await house.service.http.request(method, path, headers=headers, json={})
                assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (
                    path
                )
    assert open_to_all == PUBLIC


async def test_a_malformed_body_is_refused_before_anything_is_written(house: Any) -> None:
    headers = {**house.coordinator.headers, "Content-Type": "application/json"}

    for body in (b"{", b'{"name": NaN}', b'{"name": "a", "name": "b"}', b"\xff"):
        answer = await house.service.http.post("/enrolment/v1/organisations", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert await house.database.collection("organisations").count({}) == 0


async def test_the_figures_count_what_was_applied_and_published(house: Any) -> None:
    await house.organisation()

    figures = (await house.coordinator.get("/operations/figures")).json()

    assert figures["service"] == "enrolment"
    assert figures["events_applied"] == 1
    assert figures["events_published"] + figures["events_pending"] == 1
    assert figures["dead_letters"] == 0
