"""Letters: each is sent once, whatever the relay does, and nothing that a stranger typed is in one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cme_kit.testing import Engines
from pymongo import MongoClient

from .mailbox import Mailbox, link_of, text_of
from .people import hidden
from .signing_up import PASSWORD, address, browser, confirm, mailbox, rows, sign_up

__all__ = ["address", "browser", "mailbox"]


def await_try(engines: Engines, address: str) -> None:
    """Wait until a letter was tried in vain."""
    for _ in range(600):
        if (waiting := rows(engines, "letters", {"recipient": address})) and waiting[0]["tries"] > 0:
            return
        time.sleep(0.02)
    pytest.fail("the letter is not tried")


def test_a_letter_outlives_a_relay_that_is_away_and_a_kill(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str, engines: Engines
) -> None:
    mailbox.behave = lambda word, recipient: "drop" if word == "DATA" and recipient == address else ""
    sign_up(browser, address)
    await_try(engines, address)

    mailbox.behave = lambda _word, _address: ""

    assert confirm(browser, link_of(mailbox.await_mail(address))).status_code == 303
    assert rows(engines, "letters", {"recipient": address}) == []


def test_a_relay_that_never_takes_a_letter_holds_up_no_other(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str, engines: Engines
) -> None:
    refused = f"refused-{address}"
    mailbox.behave = lambda word, recipient: "550 no such box" if word == "RCPT" and recipient == refused else ""

    sign_up(browser, refused)
    sign_up(browser, address)

    mailbox.await_mail(address)
    assert mailbox.of(refused) == []
    assert rows(engines, "letters", {"recipient": refused}) == [], "nobody tries for ever"


def test_a_relay_that_does_not_begin_again_is_asked_later(
    gateway: Any, browser: Any, mailbox: Mailbox, address: str, engines: Engines
) -> None:
    mailbox.behave = lambda word, recipient: "451 later" if word == "RSET" or recipient == address else ""
    sign_up(browser, address)
    await_try(engines, address)

    mailbox.behave = lambda _word, _address: ""

    assert confirm(browser, link_of(mailbox.await_mail(address))).status_code == 303


def test_a_name_that_is_no_mail_address_gets_no_letter_and_ends_no_process(
    gateway: Any, mailbox: Mailbox, address: str, engines: Engines
) -> None:
    name, stranger = f"õ{address}", gateway.nobody()
    gateway.person(username=name)

    asked = stranger.post("/password", data={**hidden(stranger.get("/password")), "email": name})
    now = datetime.now(UTC)
    letter = {"kind": "reset_password", "recipient": name, "language": "en", "about": "rst_1", "tries": 0}
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:  # as if it had been written before
        waits = {"state": "waiting", "created": now, "not_before": now, "expires": now + timedelta(hours=1)}
        client.gateway.letters.insert_one({"_id": f"ltr_{address}", **letter, **waits})
    sign_up(stranger, address)

    mailbox.await_mail(address)
    assert asked.status_code == 303
    assert mailbox.of(name) == []
    assert rows(engines, "letters", {"recipient": name}) == []


def test_no_link_and_no_password_is_stored(browser: Any, mailbox: Mailbox, address: str, engines: Engines) -> None:
    mailbox.behave = lambda word, recipient: "451 later" if word == "RCPT" and recipient == address else ""
    sign_up(browser, address)
    stored = str(rows(engines, "letters", {"recipient": address}) + rows(engines, "sign_ups", {"username": address}))
    mailbox.behave = lambda _word, _address: ""

    link = link_of(mailbox.await_mail(address))

    tag = link.partition(".")[2].partition("&")[0]
    assert len(tag) == 43
    assert tag not in stored
    assert PASSWORD not in stored
    assert "$argon2id$" in stored


def test_a_killed_gateway_sends_what_it_had_written(
    gateway_process: Any, killed_and_started: Any, mailbox: Mailbox, address: str, tmp_path: Path, engines: Engines
) -> None:
    mailbox.behave = lambda word, recipient: "451 later" if word == "RCPT" and recipient == address else ""
    browser = gateway_process.nobody()
    assert sign_up(browser, address).status_code == 303

    killed_and_started(gateway_process, tmp_path)
    mailbox.behave = lambda _word, _address: ""

    assert confirm(browser, link_of(mailbox.await_mail(address))).status_code == 303


def test_a_mail_says_nothing_that_a_stranger_typed(browser: Any, mailbox: Mailbox, address: str) -> None:
    sign_up(
        browser, address, display_name="Win at https://evil.example", organisation_name="Click https://evil.example"
    )

    mail = mailbox.await_mail(address)

    assert "evil.example" not in mail.as_string()
    assert "evil.example" not in text_of(mail)
    assert mail.get_body(("html",)) is not None


@pytest.mark.parametrize(
    ("language", "subject", "heading"),
    [
        ("sv", "Bekräfta din e-postadress", "Bekräfta den här adressen"),
        ("fi", "Vahvista sähköpostiosoitteesi", "Vahvista tämä osoite"),
        ("lt", "Patvirtinkite savo el. pašto adresą", "Patvirtinti šį adresą"),
        ("de", "Bestätigen Sie Ihre E-Mail-Adresse", "Diese Adresse bestätigen"),
    ],
)
def test_mail_and_page_speak_the_chosen_language(
    browser: Any, mailbox: Mailbox, address: str, language: str, subject: str, heading: str
) -> None:
    sign_up(browser, address, language=language)

    mail = mailbox.await_mail(address)
    page = browser.get(link_of(mail))

    assert mail["Subject"] == subject
    assert mail["Content-Language"] == language
    assert f'<html lang="{language}">' in page.text
    assert f'<h1 id="confirm">{heading}</h1>' in page.text
