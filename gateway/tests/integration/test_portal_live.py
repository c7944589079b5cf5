"""Access to real data: what may be asked for, who decides, and what holds until then."""

from __future__ import annotations

from typing import Any

import pytest

from .developers import developer, form, shown
from .mailbox import text_of, the_mailbox

ORGANISATION = "org_01jb6x9y2kfq0v8r3m5t7w1z4c"


def asked(someone: Any) -> tuple[str, str]:
    """Id and secret of an application that waits."""
    client_id, _ = someone.credentials()
    path = f"/portal/applications/{client_id}"
    return shown(someone.send(path, f"{path}/live"))


def test_an_application_waits_until_it_is_approved(gateway: Any) -> None:
    someone, office = developer(gateway), developer(gateway, "coordinator")
    client_id, secret = asked(someone)

    before = gateway.client_credentials((client_id, secret))
    waits = someone.get(f"/portal/applications/{client_id}")
    requests = office.get("/portal/requests")
    answer = office.person.browser.post(
        "/portal/requests",
        data={**form(requests, "/portal/requests"), "client": client_id, "decision": "approve"},
    )

    assert before.status_code == 401
    assert "Waiting for approval" in waits.text
    assert client_id in requests.text
    assert answer.headers["location"] == "/portal/requests?done=approved"
    token = gateway.client_credentials((client_id, secret)).json()
    assert (
        gateway.http.get(
            "/enrolment/v1/organisations", headers={"Authorization": f"Bearer {token['access_token']}"}
        ).status_code
        == 200
    )
    assert client_id not in office.get("/portal/requests").text


def test_what_would_show_everybodys_records_is_not_open_to_a_partner(gateway: Any) -> None:
    someone, office = developer(gateway), developer(gateway, "operator")
    client_id, secret = asked(someone)
    approve(office, client_id)

    scopes = set(gateway.client_credentials((client_id, secret)).json()["scope"].split())

    assert scopes == {
        "enrolment.organisations:read",
        "outreach.indicators:read",
        "gateway.webhooks:write",
        "curriculum.catalogue:read",
    }


def test_who_acts_for_an_organisation_gets_what_is_narrowed_to_it(gateway: Any) -> None:
    someone, office = developer(gateway, organisation_id=ORGANISATION), developer(gateway, "operator")
    client_id, secret = asked(someone)
    approve(office, client_id)

    scopes = gateway.client_credentials((client_id, secret)).json()["scope"].split()

    assert "assessment.transcripts:read" in scopes
    assert "enrolment.applications:read" not in scopes
    assert ORGANISATION in someone.get(f"/portal/applications/{client_id}").text


def approve(office: Any, client_id: str) -> None:
    answer = office.send("/portal/requests", "/portal/requests", client=client_id, decision="approve")
    assert answer.status_code == 303, answer.text


def test_a_refused_application_says_so(gateway: Any) -> None:
    someone, office = developer(gateway), developer(gateway, "operator")
    client_id, secret = asked(someone)

    office.send("/portal/requests", "/portal/requests", client=client_id, decision="refuse")

    assert "refused or disabled this application" in someone.get(f"/portal/applications/{client_id}").text
    assert gateway.client_credentials((client_id, secret)).status_code == 401


def test_what_was_approved_cannot_be_changed_afterwards(gateway: Any) -> None:
    someone, office = developer(gateway), developer(gateway, "operator")
    client_id, secret = asked(someone)
    approve(office, client_id)
    path = f"/portal/applications/{client_id}"

    someone.send(path, path, name="The programme office", scope="enrolment.applications:read")

    assert "The programme office</h1>" not in someone.get(path).text
    assert "enrolment.applications:read" not in gateway.client_credentials((client_id, secret)).json()["scope"]


@pytest.mark.parametrize(
    ("decision", "subject"),
    [("approve", "Jūsų programa jau gali naudoti tikruosius duomenis"), ("refuse", "Jūsų prašymas")],
)
def test_who_asked_is_written_to_in_the_own_language(gateway: Any, decision: str, subject: str) -> None:
    someone, office = developer(gateway, language="lt"), developer(gateway, "coordinator")
    client_id, secret = asked(someone)

    office.send("/portal/requests", "/portal/requests", client=client_id, decision=decision)

    mail = the_mailbox().await_mail(someone.person.username)
    assert str(mail["Subject"]).startswith(subject)
    assert f"{gateway.url}/portal?lang=lt" in text_of(mail)
    assert secret not in text_of(mail)


def test_a_decision_is_made_once(gateway: Any) -> None:
    someone, office = developer(gateway), developer(gateway, "operator")
    client_id, secret = asked(someone)
    fields = form(office.get("/portal/requests"), "/portal/requests") | {"client": client_id}

    office.person.browser.post("/portal/requests", data=fields | {"decision": "refuse"})
    late = office.person.browser.post("/portal/requests", data=fields | {"decision": "approve"})

    assert late.status_code == 404
    assert gateway.client_credentials((client_id, secret)).status_code == 401


@pytest.mark.parametrize("role", ["developer", "applicant", "assessor"])
def test_nobody_else_sees_or_decides_requests(gateway: Any, role: str) -> None:
    someone, other = developer(gateway), developer(gateway, role)
    client_id, secret = asked(someone)
    token = form(other.get(), "/portal/sandbox")["csrf_token"]

    page = other.get("/portal/requests")
    decision = other.person.browser.post(
        "/portal/requests", data={"csrf_token": token, "client": client_id, "decision": "approve"}
    )

    assert (page.status_code, decision.status_code) == (404, 404)
    assert "/portal/requests" not in other.get().text
    assert gateway.client_credentials((client_id, secret)).status_code == 401


def test_nobody_decides_about_the_own_application(gateway: Any) -> None:
    office = developer(gateway, "operator")
    client_id, secret = asked(office)
    token = form(office.get(), "/portal/sandbox")["csrf_token"]

    page = office.get("/portal/requests")
    decision = office.person.browser.post(
        "/portal/requests", data={"csrf_token": token, "client": client_id, "decision": "approve"}
    )

    assert "Somebody else decides about your own." in page.text
    assert decision.status_code == 404
    assert gateway.client_credentials((client_id, secret)).status_code == 401


def test_an_application_that_may_nothing_outside_cannot_ask(gateway: Any) -> None:
    someone = developer(gateway)
    client_id, _ = someone.credentials()
    path = f"/portal/applications/{client_id}"
    token = form(someone.get(path), f"{path}/live")
    someone.send(path, path, name="Directory", scope="outreach.directory:read")

    answer = someone.person.browser.post(f"{path}/live", data=token)

    assert answer.status_code == 409
    assert "open to partners outside the sandbox" in answer.text
