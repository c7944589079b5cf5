"""Giving roles to people who signed up by themselves or came by another provider."""

from __future__ import annotations

from typing import Any

import pytest


def give(gateway: Any, subject: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    path = f"/gateway/v1/accounts/{subject}/roles"
    return gateway.http.put(path, json=body, headers=gateway.registrar() if headers is None else headers)


def test_roles_are_replaced_and_hold_for_the_next_token(gateway: Any) -> None:
    app, person = gateway.app(), gateway.person("developer")
    before = person.tokens(app)["scope"]

    answer = give(gateway, person.subject, {"roles": ["applicant", "developer"]})

    assert (answer.status_code, answer.json()["roles"]) == (200, ["applicant", "developer"])
    assert "enrolment.applications:submit" not in before
    assert "enrolment.applications:submit" in person.tokens(app)["scope"]


def test_whose_roles_are_taken_away_gets_no_refreshed_token(gateway: Any) -> None:
    app, person = gateway.app(), gateway.person("applicant")
    tokens = person.tokens(app)

    give(gateway, person.subject, {"roles": []})

    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
    answer = gateway.http.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert person.sign_in("/login").status_code == 303


@pytest.mark.parametrize(
    "body", [{}, {"roles": ["emperor"]}, {"roles": ["applicant"], "sub": "x"}, {"roles": "applicant"}]
)
def test_other_roles_are_refused(gateway: Any, body: dict[str, Any]) -> None:
    person = gateway.person()

    assert give(gateway, person.subject, body).status_code == 422


def test_nobody_who_is_unknown_gets_roles_and_nobody_else_gives_them(gateway: Any) -> None:
    person = gateway.person()
    machine = gateway.bearer(gateway.machine())

    unknown = give(gateway, "per_01jb6x9y2kfq0v8r3m5t7w1z4c", {"roles": ["applicant"]})

    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert give(gateway, person.subject, {"roles": ["operator"]}, machine).status_code == 403
    assert give(gateway, person.subject, {"roles": ["operator"]}, {}).status_code == 401
