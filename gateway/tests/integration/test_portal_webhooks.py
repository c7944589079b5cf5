"""Webhooks in the portal: from an address to a verified event, and what is done when a receiver fails."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.webhooks.offering import OFFERED

from .developers import Developer, code, developer, form
from .receivers import Happenings, Receiver, Reply, verify_v1, verify_v1a
from .webhook_partners import CANCELLED, PUBLISHED, cancelled, eventually


class Owner:
    """A developer with an application of the sandbox, and its webhooks."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.someone: Developer = developer(gateway)
        self.client_id, self.secret = self.someone.credentials()
        self.place = f"/portal/applications/{self.client_id}/webhooks"

    def made(self, url: str, *types: str, **fields: Any) -> Any:
        """The answer to the form of a new webhook."""
        page = f"{self.place}/new"
        return self.someone.send(page, page, url=url, event_type=list(types), **fields)

    def make(self, url: str, *types: str, **fields: Any) -> tuple[str, str]:
        """The address of a new webhook, and its secret or public key."""
        answer = self.made(url, *types, **fields)
        assert answer.status_code == 200, answer.text
        [key] = re.findall(r'<dd class="secret">(wh(?:sec|pk)_[^<]+)</dd>', answer.text)
        found = re.search(rf'href="({self.place}/hook_[^"]+)"', answer.text)
        assert found is not None
        return found[1], key


@pytest.fixture
def owner(gateway: Any) -> Owner:
    return Owner(gateway)


def test_a_test_event_arrives_and_the_shown_secret_verifies_it(owner: Owner, receiver: Receiver) -> None:
    here, secret = owner.make(receiver.url, PUBLISHED)

    answer = owner.someone.send(here, f"{here}/tests", event_type=CANCELLED)

    [got] = receiver.wait()
    payload = verify_v1(secret, got)
    assert (payload["type"], payload["test"]) == (CANCELLED, True)
    assert answer.headers["location"] == f"{here}/deliveries/{got.message_id}"
    page = owner.someone.get(answer.headers["location"])
    assert "Delivered: the receiver answered 200." in page.text
    headers, response, readable, body = code(page)
    assert f"webhook-signature: {got.headers['webhook-signature']}" in headers
    assert response == "thank you"
    assert body.encode() == got.body
    assert json.loads(readable) == payload


def test_the_page_that_shows_a_secret_leads_to_the_first_test_event(owner: Owner, receiver: Receiver) -> None:
    page = owner.made(receiver.url, PUBLISHED)
    action = re.search(rf'action="({owner.place}/hook_[^"]+/tests)"', page.text)
    assert action is not None

    answer = owner.someone.person.browser.post(action[1], data=form(page, action[1]))

    assert answer.status_code == 303
    assert receiver.wait()[0].event["type"] == PUBLISHED
    assert page.headers["cache-control"] == "no-store"


def test_a_public_key_verifies_as_well(owner: Owner, receiver: Receiver) -> None:
    here, public_key = owner.make(receiver.url, PUBLISHED, signing="v1a")

    owner.someone.send(here, f"{here}/tests", event_type=PUBLISHED)

    assert verify_v1a(public_key, receiver.wait()[0])["type"] == PUBLISHED
    assert public_key in owner.someone.get(here).text


def test_a_sample_of_every_event_can_be_sent(owner: Owner, receiver: Receiver) -> None:
    here, secret = owner.make(receiver.url, PUBLISHED)
    fields = form(owner.someone.get(here), f"{here}/tests")

    for type_ in sorted(OFFERED):
        owner.someone.person.browser.post(f"{here}/tests", data={**fields, "event_type": type_})

    got = receiver.wait(len(OFFERED))
    assert [verify_v1(secret, one)["type"] for one in got] == sorted(OFFERED)


def test_a_form_that_is_sent_twice_makes_one_webhook_and_shows_the_same_secret(
    owner: Owner, receiver: Receiver
) -> None:
    page = f"{owner.place}/new"
    fields = {**form(owner.someone.get(page), page), "url": receiver.url, "event_type": PUBLISHED}

    answers = [owner.someone.person.browser.post(page, data=fields) for _ in range(2)]

    shown = [re.findall(r"whsec_[^<]+</dd>", answer.text) for answer in answers]
    assert shown[0] == shown[1] != []
    assert owner.someone.get(owner.place).text.count(f'href="{owner.place}/hook_') == 1


def test_what_failed_is_shown_with_its_answer_and_sent_again(owner: Owner, receiver: Receiver) -> None:
    here, secret = owner.make(receiver.url, PUBLISHED)
    receiver.reply = lambda _: Reply(500, body=b"out of order")
    sent = owner.someone.send(here, f"{here}/tests", event_type=PUBLISHED).headers["location"]
    failed = owner.someone.get(sent)
    receiver.reply = lambda _: Reply(202)

    again = owner.someone.send(sent, f"{sent}/resend")

    assert "The receiver answered 500." in failed.text
    assert "out of order" in failed.text
    delivered = owner.someone.get(again.headers["location"])
    assert "Delivered: the receiver answered 202." in delivered.text
    first, last = receiver.received[0], receiver.received[-1]
    assert first.message_id == last.message_id
    assert verify_v1(secret, last)["type"] == PUBLISHED


def test_deliveries_are_listed_by_their_state_and_page_by_page(owner: Owner, receiver: Receiver) -> None:
    here, _ = owner.make(receiver.url, PUBLISHED)
    tests = form(owner.someone.get(here), f"{here}/tests")
    for _ in range(26):
        owner.someone.person.browser.post(f"{here}/tests", data={**tests, "event_type": PUBLISHED})

    first = owner.someone.get(here)
    earlier = re.search(r'href="([^"]+before=[^"]+)"', first.text)
    assert earlier is not None
    second = owner.someone.get(earlier[1].replace("&amp;", "&"))

    def listed(page: Any) -> set[str]:
        return set(re.findall(rf'href="{here}/deliveries/([^"]+)"', page.text))

    assert (len(listed(first)), len(listed(second))) == (25, 1)
    assert len(listed(first) | listed(second)) == 26
    assert listed(owner.someone.get(here, state="failed")) == set()
    assert len(listed(owner.someone.get(here, state="delivered"))) == 25


def test_events_of_a_live_application_arrive_and_are_replayed(
    gateway: Any, receiver: Receiver, happenings: Happenings
) -> None:
    owner, office = Owner(gateway), developer(gateway, "operator")
    path = f"/portal/applications/{owner.client_id}"
    owner.someone.send(path, f"{path}/live")
    waiting = re.findall(r'href="/portal/applications/(cl_[^"]+)"', owner.someone.get().text)
    office.send("/portal/requests", "/portal/requests", client=waiting[0], decision="approve")
    owner.place = f"/portal/applications/{waiting[0]}/webhooks"
    began = datetime.now(UTC) - timedelta(minutes=1)
    [before] = happenings.state(cancelled())
    here, secret = owner.make(receiver.url, CANCELLED)

    [event_id] = happenings.state(cancelled())
    assert verify_v1(secret, receiver.wait()[0])["id"] == event_id
    eventually(lambda: owner.someone.get(here).text.count("/resend") >= 1)
    answer = owner.someone.send(here, f"{here}/replays", since=began.strftime("%Y-%m-%dT%H:%M"))

    assert answer.headers["location"] == f"{here}?done=replay"
    eventually(lambda: before in {got.message_id for got in receiver.received})
    assert len(receiver.of(event_id)) == 1


@pytest.mark.parametrize("since", ["yesterday", "", "2999-01-01T00:00", "9999-12-31T23:59-14:00"])
def test_a_time_that_is_none_is_refused_at_its_field(owner: Owner, receiver: Receiver, since: str) -> None:
    here, _ = owner.make(receiver.url, PUBLISHED)

    answer = owner.someone.send(here, f"{here}/replays", since=since)

    assert answer.status_code == 422
    assert '<a href="#since">' in answer.text
    assert not since or f'value="{since}"' in answer.text


def test_a_webhook_is_changed_disabled_made_active_and_removed(owner: Owner, receiver: Receiver) -> None:
    here, _ = owner.make("http://127.0.0.1:9999/old", PUBLISHED)
    settings = f"{here}/settings"

    changed = owner.someone.send(
        settings, settings, url=receiver.url, event_type=[CANCELLED], description="Courses that end"
    )
    disabled = owner.someone.send(here, f"{here}/status", status="disabled")
    quiet = owner.someone.get(here).text
    active = owner.someone.send(here, f"{here}/status", status="active")
    owner.someone.send(here, f"{here}/tests", event_type=CANCELLED)
    removed = owner.someone.send(here, f"{here}/removal")

    assert changed.headers["location"] == f"{here}?done=saved"
    assert disabled.headers["location"] == f"{here}?done=webhook-disabled"
    assert "Disabled by you." in quiet
    assert "Courses that end</h1>" in quiet
    assert f'action="{here}/tests"' not in quiet
    assert active.headers["location"] == f"{here}?done=webhook-active"
    assert receiver.wait()[0].event["type"] == CANCELLED
    assert removed.headers["location"] == f"{owner.place}?done=webhook-removed"
    assert owner.someone.get(here).status_code == 404


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(owner: Owner, receiver: Receiver) -> None:
    here, _ = owner.make(receiver.url, PUBLISHED)
    old = form(owner.someone.get(f"{here}/settings"), f"{here}/settings")
    owner.someone.send(f"{here}/settings", f"{here}/settings", url=receiver.url, event_type=[CANCELLED])

    answer = owner.someone.person.browser.post(
        f"{here}/settings", data={**old, "url": receiver.url, "event_type": PUBLISHED}
    )

    assert answer.status_code == 412
    assert "It was changed since you opened the page." in answer.text


def test_both_keys_sign_after_a_rotation(owner: Owner, receiver: Receiver) -> None:
    here, old = owner.make(receiver.url, PUBLISHED)

    page = owner.someone.send(here, f"{here}/rotation", signing="v1")
    [new] = re.findall(r'<dd class="secret">(whsec_[^<]+)</dd>', page.text)
    owner.someone.send(here, f"{here}/tests", event_type=PUBLISHED)

    [got] = receiver.wait()
    assert new != old
    assert verify_v1(new, got) == verify_v1(old, got)


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"url": ""}, "url", "Enter an https address"),
        ({"url": "https://10.0.0.1/hooks"}, "url", "on the public Internet"),
        ({"url": "https://user:pass@partner.example/"}, "url", "without user name"),
        ({"url": "x" * 2049}, "url", "Enter an https address"),
        ({"event_type": []}, "event_types", "Choose at least one event."),
        ({"event_type": "com.clustereducation.no.such.thing.v1"}, "event_types", "Choose at least one event."),
        ({"description": "x" * 201}, "description", "at most 200"),
        ({"description": "a\x00b"}, "description", "at most 200"),
    ],
)
def test_what_is_wrong_with_a_webhook_stands_at_its_field(
    owner: Owner, fields: dict[str, Any], field: str, told: str
) -> None:
    page = f"{owner.place}/new"
    right = {"url": "http://127.0.0.1:9999/hooks", "event_type": PUBLISHED, "description": "Mine"}

    answer = owner.someone.send(page, page, **right | fields)

    assert answer.status_code == 422
    assert f'<a href="#{field}">' in answer.text
    assert told in answer.text
    assert "No webhook yet." in owner.someone.get(owner.place).text


def test_an_event_without_its_permission_cannot_be_chosen(owner: Owner, receiver: Receiver) -> None:
    path = f"/portal/applications/{owner.client_id}"
    owner.someone.send(path, path, name="Few", scope="gateway.webhooks:write")

    page = owner.someone.get(f"{owner.place}/new")
    answer = owner.made(receiver.url, "com.clustereducation.enrolment.learner.enrolled.v1")

    assert 'value="com.clustereducation.enrolment.learner.enrolled.v1" disabled' in page.text
    assert answer.status_code == 422
    assert "lacks the permission" in answer.text


def test_an_application_without_the_permission_has_no_webhooks(owner: Owner, receiver: Receiver) -> None:
    path = f"/portal/applications/{owner.client_id}"
    fields = form(owner.someone.get(f"{owner.place}/new"), f"{owner.place}/new")
    owner.someone.send(path, path, name="None", scope="curriculum.catalogue:read")

    answer = owner.someone.person.browser.post(
        f"{owner.place}/new", data={**fields, "url": receiver.url, "event_type": PUBLISHED}
    )

    assert "may not have webhooks" in owner.someone.get(owner.place).text
    assert answer.status_code == 404


def test_webhooks_go_with_their_application(owner: Owner, receiver: Receiver) -> None:
    here, _ = owner.make(receiver.url, PUBLISHED)
    webhook_id = here.rpartition("/")[2]
    headers = owner.gateway.registrar()

    owner.someone.send(f"/portal/applications/{owner.client_id}", f"/portal/applications/{owner.client_id}/removal")

    trail = owner.gateway.http.get("/gateway/v1/audit", params={"subject": webhook_id}, headers=headers).json()
    assert [entry["act"] for entry in trail["items"]] == ["webhook.removed", "webhook.created"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/settings"),
        ("GET", "/deliveries/{message}"),
        ("POST", "/settings"),
        ("POST", "/status"),
        ("POST", "/rotation"),
        ("POST", "/removal"),
        ("POST", "/tests"),
        ("POST", "/replays"),
        ("POST", "/deliveries/{message}/resend"),
    ],
)
def test_anothers_webhook_is_an_unknown_one(owner: Owner, receiver: Receiver, method: str, path: str) -> None:
    here, _ = owner.make(receiver.url, PUBLISHED)
    sent = owner.someone.send(here, f"{here}/tests", event_type=PUBLISHED).headers["location"]
    message = sent.rpartition("/")[2]
    other = Owner(owner.gateway)
    token = form(other.someone.get(), "/portal/sandbox")["csrf_token"]
    data = {
        "csrf_token": token,
        "revision": "1",
        "url": receiver.url,
        "event_type": PUBLISHED,
        "status": "disabled",
        "since": "2026-11-01T00:00",
    }
    asked = {"data": data} if method == "POST" else {}

    # By the owner's application, and by one of their own.
    foreign, own = (
        other.someone.person.browser.request(
            method,
            f"/portal/applications/{client_id}/webhooks/{here.rpartition('/')[2]}{path}".format(message=message),
            **asked,
        )
        for client_id in (owner.client_id, other.client_id)
    )

    assert (foreign.status_code, own.status_code) == (404, 404)
    assert len(receiver.received) == 1
    assert "Active" in owner.someone.get(here).text
