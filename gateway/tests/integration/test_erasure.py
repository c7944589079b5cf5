"""A person who is erased has no account here any more, and nobody acts as that person."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cme_contracts.enrolment import PersonErased
from cme_kit.testing import Engines
from pymongo import MongoClient

from .receivers import Happenings


@pytest.fixture
def happenings(engines: Engines) -> Happenings:
    return Happenings(engines.nats_url)


def kept_of(engines: Engines, person: Any) -> dict[str, int]:
    """How much the gateway keeps of somebody, by collection."""
    by_subject = ("browser_sessions", "passkeys", "upstream_links", "refresh_tokens", "authorization_codes")
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        database = client.gateway
        found = {name: database[name].count_documents({"subject": person.subject}) for name in by_subject}
        found["accounts"] = database.accounts.count_documents({"_id": person.subject})
        found["consents"] = database.consents.count_documents({"_id": {"$regex": f"^{person.subject} "}})
        found["letters"] = database.letters.count_documents({"recipient": person.username})
    return {name: count for name, count in found.items() if count}


def test_an_erased_person_has_no_account_and_no_token(
    gateway: Any, engines: Engines, happenings: Happenings, helpers: Any
) -> None:
    app, person, other = gateway.app(), gateway.person(), gateway.person()
    tokens, others = person.tokens(app), other.tokens(app)
    assert kept_of(engines, person).keys() >= {"accounts", "browser_sessions", "refresh_tokens", "consents"}

    happenings.state((person.subject, PersonErased(person_id=person.subject)))
    deadline = time.monotonic() + 30
    while kept_of(engines, person) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert kept_of(engines, person) == {}
    assert person.sign_in("/login").status_code == 403
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
    assert gateway.http.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    while (answer := gateway.http.get("/assessment/v1/x", headers=bearer)).status_code == 200:
        assert time.monotonic() < deadline, "the access token ends with the second in which revocations are read"
        time.sleep(0.1)
    assert answer.status_code == 401
    still = {"Authorization": f"Bearer {others['access_token']}"}
    assert gateway.http.get("/assessment/v1/x", headers=still).status_code == 200
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        assert client.gateway.audit_entries.count_documents({"act": "account.removed", "subject": person.subject}) == 1


def test_who_comes_after_an_erased_person_is_somebody_else(
    gateway: Any, engines: Engines, happenings: Happenings
) -> None:
    person = gateway.person()
    happenings.state((person.subject, PersonErased(person_id=person.subject)))
    deadline = time.monotonic() + 30
    while kept_of(engines, person) and time.monotonic() < deadline:
        time.sleep(0.1)

    successor = gateway.person(username=person.username)

    assert kept_of(engines, person) == {}
    assert successor.subject != person.subject
