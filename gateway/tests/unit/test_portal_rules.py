"""What partners may ask for, forms of applications and webhooks, and the chart of usage: rules without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from gateway.accounts.domain import Account
from gateway.clients.schemas import REAL_ONLY
from gateway.oauth.scopes import ROLES, SCOPES
from gateway.portal.domain import KINDS, Kind
from gateway.portal.forms import ApplicationForm, check
from gateway.portal.guides import EXAMPLES, GUIDES, SOME_CLIENT, filled
from gateway.portal.permissions import JOURNEYS, Live, live_scopes, permissions_for, scopes_for
from gateway.portal.snippets import token_line
from gateway.portal.usage_service import BARS, bars_of
from gateway.portal.webhook_forms import moment_of
from gateway.usage.domain import Daily

ALONE = Account("per_1", "ona@partner.example", "Ona", "en", frozenset({"developer"}), None)
FOR_AN_ORGANISATION = Account("per_1", "o@p.example", "Ona", "en", frozenset({"developer"}), None, "org_1")


@pytest.mark.parametrize("kind", Kind)
def test_what_may_be_asked_for_exists_and_is_no_scope_of_administration(kind: Kind) -> None:
    for permission in permissions_for(kind):
        assert permission.scope in SCOPES
        assert permission.journey in JOURNEYS
        assert not permission.scope.startswith(REAL_ONLY)
    assert len(scopes_for(kind)) == len(permissions_for(kind))


def test_an_application_for_people_asks_for_nothing_that_a_learner_cannot_allow() -> None:
    from_roles = ROLES["applicant"] | {"openid", "profile", "email"}

    assert scopes_for(Kind.APP) == scopes_for(Kind.WEB) <= from_roles


def test_a_system_of_a_partner_never_reads_every_organisations_records_live() -> None:
    # The scopes by which the services show a system the records of all organisations.
    unnarrowed = {
        *("enrolment.applications:read", "enrolment.learners:read", "credentials.awards:read"),
        "outreach.directory:read",
    }
    asked = scopes_for(Kind.SYSTEM)

    assert unnarrowed <= asked
    for account in (ALONE, FOR_AN_ORGANISATION):
        assert not live_scopes(Kind.SYSTEM, asked, account) & unnarrowed


def test_what_is_narrowed_to_an_organisation_needs_one() -> None:
    narrowed = {one.scope for one in permissions_for(Kind.SYSTEM) if one.live is Live.ORGANISATIONS}

    assert narrowed
    assert not live_scopes(Kind.SYSTEM, frozenset(narrowed), ALONE)
    assert live_scopes(Kind.SYSTEM, frozenset(narrowed), FOR_AN_ORGANISATION) == narrowed


@pytest.mark.parametrize("kind", Kind)
def test_a_right_form_describes_a_client_of_its_kind(kind: Kind) -> None:
    addresses = "https://p.example/cb" if kind.is_for_people else "ignored for systems"

    request = check(ApplicationForm(kind, "  An \t app ", addresses, scopes=scopes_for(kind))).request

    assert request is not None
    assert request.name == "An app"
    assert request.sandbox
    assert request.redirect_uris == (["https://p.example/cb"] if kind.is_for_people else [])
    assert request.token_endpoint_auth_method == ("none" if kind is Kind.APP else "client_secret_basic")
    assert kind in KINDS


def test_an_address_that_is_written_twice_counts_once() -> None:
    twice = "https://p.example/cb\r\n\r\n  https://p.example/cb  "

    request = check(ApplicationForm(Kind.APP, "App", twice, scopes=frozenset({"openid"}))).request

    assert request is not None
    assert request.redirect_uris == ["https://p.example/cb"]


@pytest.mark.parametrize(
    "text", ["1", "null", '"text"', "[]", '{"keys": {}}', '{"keys": [1]}', '{"keys": [{"kty": []}]}']
)
def test_keys_that_are_none_are_told_at_their_field(text: str) -> None:
    checked = check(ApplicationForm(Kind.SYSTEM, "S", scopes=scopes_for(Kind.SYSTEM), jwks=text))

    assert checked.request is None
    assert list(checked.errors) == ["jwks"]


def test_a_chart_is_as_high_as_its_highest_day() -> None:
    days = [Daily(date(2026, 11, 1) + timedelta(days=n), requests, 0, 0) for n, requests in enumerate((0, 5, 10))]

    bars = bars_of(days)

    assert [bar.height for bar in bars] == [0, BARS / 2, BARS]
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 for bar in bars)
    assert [bar.height for bar in bars_of([Daily(date(2026, 11, 1), 0, 0, 0)])] == [0]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T08:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        (" 2026-12-01T08:00:30 ", datetime(2026, 12, 1, 8, 0, 30, tzinfo=UTC)),
        ("2026-12-01T08:00+02:00", datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("0001-01-01T00:00+14:00", None),
        ("9999-12-31T23:59-14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_moment_is_read_as_browsers_write_it(text: str, moment: datetime | None) -> None:
    assert moment_of(text) == moment


def test_every_example_is_filled_in() -> None:
    examples = filled("https://api.example", None, None)

    assert examples.keys() == EXAMPLES.keys()
    for name, listed in examples.items():
        assert listed
        assert not any("@@" in text for _, text in listed), name
    assert f"CLIENT_ID='{SOME_CLIENT}'" in examples["call"][0][1]
    assert all("https://api.example/sandbox/" in text for _, text in examples["catalogue"])
    assert len(GUIDES) == 3


def test_a_line_for_a_shell_holds_nothing_that_the_shell_would_read() -> None:
    # Ids and secrets are made of these letters only, and stand in single quotes.
    line = token_line("https://api.example", "test_0a", "cme_test_-_Aa0")

    assert "'test_0a:cme_test_-_Aa0'" in line
