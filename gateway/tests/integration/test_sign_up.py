"""Signing up and forgotten passwords: by a mailed link, telling nobody who has an account, whatever is killed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cme_kit.testing import Engines
from pymongo import MongoClient

from .mailbox import Mailbox, link_of
from .people import hidden
from .signing_up import PASSWORD, address, browser, confirm, mailbox, rows, sign_up

__all__ = ["address", "browser", "mailbox"]


def test_somebody_signs_up_confirms_the_address_and_comes_back_signed_in(
    browser: Any, mailbox: Mailbox, address: str
) -> None:
    answer = sign_up(browser, address)
    mail = mailbox.await_mail(address)
    confirmed = confirm(browser, link_of(mail))

    assert (answer.status_code, answer.headers["location"]) == (303, "/signup/sent")
    assert "Look into your mailbox" in browser.get("/signup/sent").text
    assert mail["Subject"] == "Confirm your e-mail address"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/portal/first")
    page = browser.get("/account").text
    assert address in page
    assert 'value="Ona Onaitė"' in page


def test_who_signed_up_is_a_developer_of_no_organisation(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str, engines: Engines
) -> None:
    sign_up(browser, f"  {address.upper()} ")
    confirm(browser, link_of(mailbox.await_mail(address)))

    (account,) = rows(engines, "accounts", {"username": address})
    assert account["roles"] == ["developer"]
    assert account["organisation_id"] is None
    assert account["organisation_name"] == "Baltic Cluster Hub"
    (entry,) = rows(engines, "audit_entries", {"act": "account.created", "subject": account["_id"]})
    assert entry["details"] == {"by": "sign-up"}


def test_without_the_link_there_is_no_account(gateway: Any, browser: Any, mailbox: Mailbox, address: str) -> None:
    sign_up(browser, address)
    mailbox.await_mail(address)

    page = browser.get("/login")
    answer = browser.post("/login", data={**hidden(page), "username": address, "password": PASSWORD})

    assert answer.status_code == 403


def test_opening_the_link_does_nothing_by_itself(browser: Any, mailbox: Mailbox, address: str) -> None:
    sign_up(browser, address)
    link = link_of(mailbox.await_mail(address))

    for _ in range(3):
        assert browser.get(link).status_code == 200

    assert confirm(browser, link).status_code == 303


def test_a_link_works_once_and_so_do_all_links_to_an_address(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str
) -> None:
    sign_up(browser, address)
    first = link_of(mailbox.await_mail(address))
    sign_up(browser, address, new_password="another password of mine")
    second = link_of(mailbox.await_mail(address, 2))

    made = confirm(browser, first)
    again = [gateway.nobody().get(link) for link in (first, second)]

    assert made.status_code == 303
    assert [answer.status_code for answer in again] == [410, 410]
    assert "This link does not work any more" in again[0].text


def test_whoever_only_has_the_mail_cannot_confirm_what_somebody_else_began(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str
) -> None:
    sign_up(browser, address, new_password="the attacker knows this")
    link = link_of(mailbox.await_mail(address))
    victim = gateway.nobody()

    answers = [confirm(victim, link, "my own password") for _ in range(11)]
    at_last = confirm(victim, link, "the attacker knows this")

    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 1
    assert at_last.status_code == 429


@pytest.mark.parametrize("change", ["tag", "id", "none", "empty", "reset"])
def test_a_link_that_we_did_not_write_is_none(browser: Any, mailbox: Mailbox, address: str, change: str) -> None:
    sign_up(browser, address)
    link = link_of(mailbox.await_mail(address))
    id_ = re.search(r"link=([^.]+)\.", link)[1]  # type: ignore[index]
    forged = {
        "tag": f"/signup/confirm?link={id_}.{'A' * 43}",
        "id": link.replace(id_, "sgn_01jb6x9y2kfq0v8r3m5t7w1z4c"),
        "none": "/signup/confirm?link=" + id_,
        "empty": "/signup/confirm",
        "reset": link.replace("/signup/confirm", "/password/new"),
    }[change]

    assert browser.get(forged).status_code == 410


def test_a_link_ends_after_a_day(browser: Any, mailbox: Mailbox, address: str, engines: Engines) -> None:
    sign_up(browser, address)
    link = link_of(mailbox.await_mail(address))
    (row,) = rows(engines, "sign_ups", {"username": address})
    assert timedelta(hours=23) < row["expires"] - datetime.now(UTC) <= timedelta(hours=24)
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        past = {"$set": {"expires": datetime.now(UTC) - timedelta(seconds=1)}}
        client.gateway.sign_ups.update_one({"_id": row["_id"]}, past)

    assert browser.get(link).status_code == 410


def test_an_address_that_has_an_account_gets_the_same_page_and_another_mail(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str
) -> None:
    sign_up(browser, address)
    confirm(browser, link_of(mailbox.await_mail(address)))
    stranger = gateway.nobody()

    answer = sign_up(stranger, address, new_password="the stranger's password")
    mail = mailbox.await_mail(address, 2)

    assert (answer.status_code, answer.headers["location"]) == (303, "/signup/sent")
    assert mail["Subject"] == "You have an account already"
    assert link_of(mail).startswith("/login")
    page = stranger.get("/login")
    signed_in = stranger.post("/login", data={**hidden(page), "username": address, "password": PASSWORD})
    assert signed_in.status_code == 303, "the password is what it was"


def test_what_happens_for_a_known_and_for_an_unknown_address_is_the_same(
    gateway: Any, engines: Engines, mailbox: Mailbox, address: str
) -> None:
    known = gateway.person().username

    for one in (known, address):
        assert sign_up(gateway.nobody(), one).headers["location"] == "/signup/sent"
        page = gateway.nobody().get("/password")
        browser = gateway.nobody()
        page = browser.get("/password")
        answer = browser.post("/password", data={**hidden(page), "email": one})
        assert answer.headers["location"] == "/password/sent"

    waiting = [rows(engines, "sign_ups", {"username": one}) for one in (known, address)]
    assert [len(found) for found in waiting] == [1, 1]
    assert waiting[0][0].keys() == waiting[1][0].keys()
    mailbox.await_mail(known, 2)
    assert {mail["Subject"] for mail in mailbox.of(known)} == {"You have an account already", "Set a new password"}
    assert [mail["Subject"] for mail in mailbox.of(address)] == ["Confirm your e-mail address"]


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "no name": ({"display_name": " "}, "Enter the name by which"),
    "a long name": ({"display_name": "x" * 201}, "at most 200 characters"),
    "a name that turns around": ({"display_name": "Ona\u202e"}, "Enter the name by which"),
    "no address": ({"email": ""}, "Enter an e-mail address"),
    "half an address": ({"email": "ona@"}, "Enter an e-mail address"),
    "two addresses": ({"email": "ona@partner.example, eve@evil.example"}, "Enter an e-mail address"),
    "an address with a header": ({"email": "ona@partner.example\r\nBcc: eve@evil.example"}, "Enter an e-mail address"),
    "an address with a name": ({"email": "Ona <ona@partner.example>"}, "Enter an e-mail address"),
    "a long address": ({"email": "o" * 250 + "@partner.example"}, "Enter an e-mail address"),
    "no organisation": ({"organisation_name": ""}, "Enter the name of your organisation"),
    "no such language": ({"language": "fr"}, "Choose one of the five languages"),
    "a short password": ({"new_password": "1234567"}, "at least 8 characters"),
    "a long password": ({"new_password": "x" * 257}, "at most 256 characters"),
    "a common password": ({"new_password": "qwertyuiop"}, "tried first"),
    "a password from the name": ({"new_password": "onaonaitė"}, "made of your name"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_form_with_a_mistake_comes_back_with_what_was_typed(
    browser: Any, mailbox: Mailbox, address: str, mistake: str, engines: Engines
) -> None:
    changes, told = MISTAKES[mistake]

    answer = sign_up(browser, changes.get("email", address), **{k: v for k, v in changes.items() if k != "email"})

    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert told in answer.text
    assert "Baltic Cluster Hub" in answer.text or "organisation_name" in changes
    assert PASSWORD not in answer.text
    assert rows(engines, "sign_ups", {"username": address}) == []


def test_an_address_is_written_to_five_times_a_day(gateway: Any, mailbox: Mailbox, address: str) -> None:
    answers = [sign_up(gateway.nobody(), address) for _ in range(5)]
    browser = gateway.nobody()
    page = browser.get("/password")

    sixth = sign_up(gateway.nobody(), address)
    reset = browser.post("/password", data={**hidden(page), "email": address})

    assert [answer.status_code for answer in answers] == [303] * 5
    assert [sixth.status_code, reset.status_code] == [429, 429]
    assert 1 <= int(sixth.headers["retry-after"]) <= 86_400


def test_a_forgotten_password_is_set_by_a_mailed_link_and_signs_everybody_out(gateway: Any, mailbox: Mailbox) -> None:
    person = gateway.person()
    person.sign_in("/login")
    elsewhere = gateway.nobody()
    elsewhere.post("/password", data={**hidden(elsewhere.get("/password")), "email": person.username.upper()})
    mail = mailbox.await_mail(person.username)
    link = link_of(mail)
    page = elsewhere.get(link)

    weak = elsewhere.post("/password/new", data={**hidden(page), "new_password": "password"})
    done = elsewhere.post("/password/new", data={**hidden(page), "new_password": "a new one of mine"})

    assert mail["Subject"] == "Set a new password"
    assert person.username in page.text
    assert weak.status_code == 422
    assert done.headers["location"] == "/login?done=password"
    assert "Your new password is set." in elsewhere.get("/login?done=password").text
    assert person.browser.get("/account").status_code == 303
    assert elsewhere.get(link).status_code == 410
    assert person.sign_in("/login").status_code == 403
    person.password = "a new one of mine"
    assert person.sign_in("/login").status_code == 303
    assert mailbox.await_mail(person.username, 2)["Subject"] == "Your password was changed"


def test_a_new_password_ends_every_other_link(gateway: Any, mailbox: Mailbox) -> None:
    person, browser = gateway.person(), gateway.nobody()
    for _ in range(2):
        browser.post("/password", data={**hidden(browser.get("/password")), "email": person.username})
    mailbox.await_mail(person.username, 2)
    first, second = (link_of(mail) for mail in mailbox.of(person.username))

    browser.post("/password/new", data={**hidden(browser.get(first)), "new_password": "a new one of mine"})

    assert browser.get(second).status_code == 410


def test_forms_of_somebody_else_do_nothing(browser: Any, address: str, engines: Engines) -> None:
    fields = {"email": address, "display_name": "Ona", "organisation_name": "Hub", "language": "en"}
    answers = [
        browser.post(path, data={**fields, "new_password": PASSWORD, "csrf_token": "x"})
        for path in ("/signup", "/signup/confirm", "/password", "/password/new")
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "forged_form")] * 4
    assert rows(engines, "sign_ups", {"username": address}) == []


@pytest.mark.parametrize(
    "path", ["/signup", "/signup/sent", "/password", "/password/sent", "/signup/confirm", "/login"]
)
def test_no_page_is_framed_or_kept(browser: Any, path: str) -> None:
    answer = browser.get(path)

    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
