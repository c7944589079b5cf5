"""Windows, eligibility, conflicts of interest, offers, and starts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from enrolment.applications.domain import Cluster, check_eligibility, has_conflict_of_interest
from enrolment.calls.domain import CallState, SelectionRound
from enrolment.calls.schemas import NewCall, NewQuota
from enrolment.offers.domain import Offer, OfferState
from pydantic import ValidationError

from .test_selection import NOW, application, call

PROGRAMME = "prg_" + "0" * 26


@pytest.mark.parametrize(
    ("fte", "members", "types", "eligible"),
    [
        (0.5, 15, ["company", "research"], True),
        (0.49, 15, ["company", "research"], False),
        (0.5, 14, ["company", "research"], False),
        (0.5, 15, ["company", "company"], False),
    ],
)
def test_eligibility_needs_half_a_manager_fifteen_members_and_two_types(
    fte: float, members: int, types: list[str], eligible: bool
) -> None:
    found = check_eligibility(Cluster(management_fte=fte, members=members, member_types=types))

    assert found.eligible is eligible
    assert [check.rule for check in found.checks] == ["management_fte", "members", "member_types"]
    assert all(check.passed for check in found.checks) is eligible


def test_a_reader_of_the_same_organisation_or_the_applicant_is_too_near() -> None:
    one = application("SE", 1)

    assert has_conflict_of_interest(one, "per", None)
    assert has_conflict_of_interest(one, "per_other", "org")
    assert not has_conflict_of_interest(one, "per_other", "org_other")
    assert not has_conflict_of_interest(one, "per_other", None)


def test_a_call_is_scheduled_open_closed_and_selected_in_turn() -> None:
    one = call(1).model_copy(update={"opens_at": NOW, "closes_at": NOW + timedelta(hours=1)})
    round_ = SelectionRound(made_at=NOW, made_by="x", answer_by=NOW)

    assert one.state_at(NOW - timedelta(seconds=1)) is CallState.SCHEDULED
    assert one.state_at(NOW) is CallState.OPEN
    assert one.state_at(NOW + timedelta(hours=1)) is CallState.OPEN
    assert one.state_at(NOW + timedelta(hours=1, seconds=1)) is CallState.CLOSED
    assert one.model_copy(update={"selection": round_}).state_at(NOW) is CallState.SELECTED


def test_a_seat_is_freed_only_before_a_known_start() -> None:
    one = call(1)

    assert not one.frees_seat(date(2020, 8, 1))
    started = one.model_copy(update={"starts_on": date(2020, 9, 1)})
    assert started.frees_seat(date(2020, 8, 31))
    assert not started.frees_seat(date(2020, 9, 1))


def test_open_offers_count_against_the_places_to_offer() -> None:
    one = call(20).model_copy(update={"seats_left": 5, "offers_open": 3})

    assert one.seats_taken == 15
    assert one.places_to_offer == 2
    assert one.model_copy(update={"offers_open": 6}).places_to_offer == 0


def test_an_offer_is_expired_from_its_last_moment_on_even_before_it_is_swept() -> None:
    offer = Offer(
        offer_id="ofr", application_id="app", call_id="call", person_id="per", organisation_id="org", country="SE",
        offered_at=NOW, answer_by=NOW,
    )  # fmt: skip

    assert offer.state_at(NOW) is OfferState.OPEN
    assert offer.state_at(NOW + timedelta(milliseconds=1)) is OfferState.EXPIRED
    accepted = offer.model_copy(update={"state": OfferState.ACCEPTED})
    assert accepted.state_at(NOW + timedelta(days=1)) is OfferState.ACCEPTED


def new_call(**fields: object) -> NewCall:
    opens = datetime(2026, 1, 1, tzinfo=UTC)
    body: dict[str, object] = {
        "title": {"en": "Call"},
        "programme_id": PROGRAMME,
        "programme_version": 1,
        "seats": 3,
        "opens_at": opens,
        "closes_at": opens + timedelta(days=1),
        **fields,
    }
    return NewCall.model_validate(body)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"closes_at": datetime(2025, 1, 1, tzinfo=UTC)}, "closes after it opens"),
        ({"quotas": [{"country": "SE", "minimum": 1}, {"country": "SE", "maximum": 2}]}, "one quota"),
        ({"quotas": [{"country": "SE", "minimum": 2}, {"country": "FI", "minimum": 2}]}, "fit the seats"),
        ({"title": {"sv": "Utlysning"}}, "English"),
        ({"seats": 0}, "greater than or equal to 1"),
        ({"seats": "20"}, "valid integer"),
        ({"opens_at": datetime(2025, 1, 1)}, "timezone"),  # noqa: DTZ001  (that it has none is the point)
        ({"state": "selected"}, "Extra inputs"),
    ],
)
def test_a_call_that_contradicts_itself_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        new_call(**fields)


def test_a_maximum_below_the_minimum_is_refused() -> None:
    with pytest.raises(ValidationError, match="not below its minimum"):
        NewQuota(country="SE", minimum=2, maximum=1)
