"""How tests sign somebody up, with a mailbox that they read."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cme_kit.testing import Engines
from pymongo import MongoClient

from .mailbox import Mailbox, the_mailbox
from .people import hidden

PASSWORD = "kuulokkeet ja hanska"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    yield the_mailbox()
    the_mailbox().behave = lambda _word, _address: ""


@pytest.fixture
def address() -> str:
    return f"{secrets.token_hex(5)}@partner.example"


def rows(engines: Engines, name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](engines.mongo_url, tz_aware=True) as client:
        return list(client.gateway[name].find(found))


def sign_up(browser: Any, address: str, **changes: str) -> Any:
    page = browser.get("/signup", params={"return_to": changes.pop("return_to", "/portal/first")})
    fields = {
        **hidden(page),
        "display_name": "Ona Onaitė",
        "email": address,
        "organisation_name": "Baltic Cluster Hub",
        "language": "en",
        "new_password": PASSWORD,
        **changes,
    }
    return browser.post("/signup", data=fields)


def confirm(browser: Any, link: str, password: str = PASSWORD) -> Any:
    page = browser.get(link)
    return browser.post("/signup/confirm", data={**hidden(page), "password": password})


@pytest.fixture
def browser(gateway: Any) -> Any:
    """Somebody who has no account."""
    return gateway.nobody()
