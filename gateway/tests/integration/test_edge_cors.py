"""Which pages may read answers (the CORS protocol of the Fetch standard)."""

from __future__ import annotations

import secrets
from typing import Any

PATH = "/enrolment/v1/applications/app_1"
PUBLIC = "/curriculum/v1/profiles"


def origin() -> str:
    return f"https://{secrets.token_hex(6)}.example"


def client_at(gateway: Any, *origins: str) -> tuple[str, str]:
    made = gateway.register(origins=list(origins))
    return made["client_id"], made["client_secret"]


def preflight(gateway: Any, path: str, page: str, method: str = "GET") -> Any:
    headers = {
        "Origin": page,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }
    return gateway.http.options(path, headers=headers)


def test_a_registered_origin_may_ask_and_read(gateway: Any, echo: Any) -> None:
    page = origin()
    bearer = gateway.bearer(client_at(gateway, page))
    before = len(echo.echo.requests)

    asked = preflight(gateway, PATH, page, "PUT")
    answer = gateway.http.get(PATH, headers=bearer | {"Origin": page})

    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, page)
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert {"Authorization", "DPoP", "Idempotency-Key"} <= set(
        asked.headers["access-control-allow-headers"].split(", ")
    )
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
    assert "RateLimit" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"
    assert not [name for name in (*asked.headers, *answer.headers) if name == "access-control-allow-credentials"]
    assert len(echo.echo.requests) == before + 1


def test_an_origin_that_nobody_registered_is_told_so(gateway: Any) -> None:
    refused = preflight(gateway, PATH, origin())
    null = preflight(gateway, PATH, "null")

    assert [(answer.status_code, answer.json()["code"]) for answer in (refused, null)] == [
        (403, "origin_not_allowed")
    ] * 2
    assert "access-control-allow-origin" not in refused.headers


def test_pages_of_one_client_read_nothing_with_the_token_of_another(gateway: Any) -> None:
    page, other = origin(), origin()
    bearer = gateway.bearer(client_at(gateway, page))
    client_at(gateway, other)

    answer = gateway.http.get(PATH, headers=bearer | {"Origin": other})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_a_refusal_can_be_read_by_pages_that_may_call(gateway: Any) -> None:
    page = origin()
    client_at(gateway, page)

    known = gateway.http.get(PATH, headers={"Origin": page, "Authorization": "Bearer expired"})
    unknown = gateway.http.get(PATH, headers={"Origin": origin(), "Authorization": "Bearer expired"})

    assert (known.status_code, known.headers["access-control-allow-origin"]) == (401, page)
    assert unknown.status_code == 401
    assert "access-control-allow-origin" not in unknown.headers


def test_everybodys_pages_may_read_what_is_public(gateway: Any) -> None:
    asked, answer = preflight(gateway, PUBLIC, origin()), gateway.http.get(PUBLIC, headers={"Origin": origin()})
    written = preflight(gateway, PUBLIC, origin(), "POST")

    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert written.status_code == 403


def test_a_public_form_can_be_sent_by_registered_pages(gateway: Any) -> None:
    page = origin()
    client_at(gateway, page)
    path = "/credentials/v1/verification"

    asked = preflight(gateway, path, page, "POST")
    known, unknown = (gateway.http.post(path, json={}, headers={"Origin": each}) for each in (page, origin()))

    assert (asked.status_code, known.headers["access-control-allow-origin"]) == (204, page)
    assert "access-control-allow-origin" not in unknown.headers


def test_no_page_may_read_the_authorization_endpoint(gateway: Any) -> None:
    page = origin()
    client_at(gateway, page)

    answers = [
        gateway.http.get("/oauth/authorize", headers={"Origin": page}),
        preflight(gateway, "/oauth/authorize", page),
    ]

    assert not [answer for answer in answers if "access-control-allow-origin" in answer.headers]


def test_an_origin_of_a_client_that_is_gone_is_nobodys(gateway: Any, helpers: Any) -> None:
    page = origin()
    client_id, _ = client_at(gateway, page)
    removed = gateway.http.delete(f"/gateway/v1/clients/{client_id}", headers=gateway.registrar())
    assert removed.status_code in (200, 204), removed.text

    assert preflight(gateway, PATH, page).status_code == 403
