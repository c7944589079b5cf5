"""Who signed in, how, and who failed to, is in the trail (OWASP ASVS 5.0, 16.3.1)."""

from __future__ import annotations

from typing import Any


def entries(gateway: Any, act: str) -> list[tuple[str, dict[str, str]]]:
    found = gateway.http.get("/gateway/v1/audit", params={"act": act, "limit": 20}, headers=gateway.registrar()).json()
    return [(entry["subject"], entry["details"]) for entry in found["items"]]


def test_sign_ins_and_failures_are_in_the_trail_with_their_method(gateway: Any) -> None:
    person = gateway.person()
    page = person.browser.get("/login")
    refused = person.browser.post("/login", data=person.login_form(page, password="not the right one"))
    person.browser.post("/login", data=person.login_form(page, username="nobody@example.org"))

    person.sign_in("/login")

    assert refused.status_code == 403
    failed = entries(gateway, "sign_in.failed")
    assert (person.subject, {"method": "password"}) in failed
    assert ("nobody", {"method": "password"}) in failed
    assert "nobody@example.org" not in str(failed)
    assert [
        details["method"] for subject, details in entries(gateway, "sign_in.succeeded") if subject == person.subject
    ] == ["password"]
