"""`cme trigger`, `cme login` and `cme logout`."""

import io
import json
import stat
from typing import Any

import pytest
from cme_cli.credentials import config_file
from cme_cli.listen import TYPES
from cme_cli.trigger import TRIGGERS

from .conftest import Cme, Place, as_json

ENROLLED = "com.clustereducation.enrolment.learner.enrolled.v1"
ISSUED = "com.clustereducation.credentials.credential.issued.v1"
KNOWN: list[dict[str, Any]] = [
    {"type": ENROLLED, "summary": "A learner began.", "scope": "enrolment.learners:read", "available": True},
    {"type": ISSUED, "summary": "A badge was signed.", "scope": "credentials.awards:read", "available": False},
]


@pytest.fixture(autouse=True)
def webhooks(gateway: Place) -> Place:
    gateway.answers[TYPES] = lambda _: as_json(200, {"items": KNOWN})
    gateway.answers[TRIGGERS] = lambda asked: as_json(
        202, {"message_id": "m1", "type": json.loads(asked.body)["type"], "webhook_ids": ["hook_1"]}
    )
    return gateway


def test_an_event_is_triggered_by_its_short_name(webhooks: Place, cme: Cme) -> None:
    ended = cme("trigger", "enrolment.learner.enrolled")

    assert json.loads(webhooks.asked[-1].body) == {"type": ENROLLED}
    assert ended.code == 0
    assert "m1  to 1 webhook, and whoever listens" in ended.out


def test_fields_are_set_as_json_or_as_text(webhooks: Place, cme: Cme) -> None:
    cme("trigger", ENROLLED, "--set", "country=FI", "--set", "programme_version=2", "--set", "cohort_id=a=b")

    assert json.loads(webhooks.asked[-1].body)["data"] == {
        "country": "FI",
        "programme_version": 2,
        "cohort_id": "a=b",
    }


def test_all_events_are_listed_with_what_the_client_lacks(webhooks: Place, cme: Cme) -> None:
    lines = cme("trigger", "--list").out.splitlines()

    assert lines == [
        "enrolment.learner.enrolled     A learner began.",
        "credentials.credential.issued  A badge was signed.  needs credentials.awards:read",
    ]
    assert json.loads(cme("trigger", "--list", "--json").out) == KNOWN


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "Name an event"), (["enrolment.learner.enroled"], "Did you mean"), ([ENROLLED, "--set", "x"], "name=value")],
)
def test_what_was_typed_wrong_is_said(arguments: list[str], said: str, webhooks: Place, cme: Cme) -> None:
    ended = cme("trigger", *arguments)

    assert ended.code == 2
    assert said in ended.err
    assert TRIGGERS not in [asked.path for asked in webhooks.asked]


def test_a_client_is_kept_once_it_was_tried_and_forgotten(
    webhooks: Place, cme: Cme, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CME_CLIENT_ID", "CME_CLIENT_SECRET", "CME_API"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))

    ended = cme("login", "--api", f"{webhooks.url}/", "--client-id", "client")

    assert ended.code == 0
    assert f"client opens {webhooks.url}" in ended.out
    assert "secret" not in ended.out + ended.err
    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600
    assert cme("trigger", ENROLLED).code == 0
    assert cme("logout").code == 0
    assert cme("trigger", ENROLLED).code == 2


def test_a_client_that_the_gateway_refuses_is_not_kept(
    webhooks: Place, cme: Cme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CME_CLIENT_SECRET", "wrong")

    assert cme("login", "--api", webhooks.url, "--client-id", "client").code == 1
    assert not config_file().exists()
