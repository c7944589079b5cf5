"""Who gets a place, within the quotas, and why."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

from cme_kit.ids import new_id
from enrolment.applications.domain import Application, ApplicationState, Cluster, Score, check_eligibility
from enrolment.calls.domain import Call, Quota
from enrolment.selection.domain import Ground, choose, decide, explain_promotion
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = Cluster(management_fte=1, members=20, member_types=["company", "research"])
SMALL = Cluster(management_fte=0.2, members=12, member_types=["company", "research"])


def application(country: str, points: int, cluster: Cluster = GOOD) -> Application:
    score = Score(
        score_id="scr", reader_id="per", motivation=0, experience=0, impact=0, comment="", total=points, scored_at=NOW
    )
    return Application(
        application_id=new_id("app"),
        call_id="call",
        person_id="per",
        organisation_id="org",
        country=country,
        motivation="",
        employer_support=True,
        cluster=cluster,
        eligibility=check_eligibility(cluster),
        submitted_at=NOW,
        scores=[score],
    )


def call(seats: int, over_offer: int = 0, *quotas: Quota) -> Call:
    return Call(
        call_id="call",
        cohort_id="coh",
        title={"en": "Call"},
        programme_id="prg",
        programme_version=1,
        seats=seats,
        seats_left=seats,
        over_offer=over_offer,
        quotas=list(quotas),
        opens_at=NOW,
        closes_at=NOW,
    )


def offered(applications: list[Application], of: Call) -> list[tuple[str, int]]:
    return [
        (decision.application.country, decision.application.points)
        for decision in decide(applications, of)
        if decision.state is ApplicationState.OFFERED
    ]


def test_without_quotas_points_decide_and_over_offers_are_made() -> None:
    applications = [application("SE", points) for points in (10, 30, 20, 5)]

    assert offered(applications, call(2, 1)) == [("SE", 30), ("SE", 20), ("SE", 10)]


def test_the_best_of_a_country_get_the_places_kept_for_it_before_better_others() -> None:
    applications = [application("SE", points) for points in (30, 29, 28)] + [application("LT", 5), application("LT", 9)]

    decisions = decide(applications, call(3, 0, Quota(country="LT", minimum=1)))

    assert [(one.application.country, one.application.points) for one in decisions if one.state == "offered"] == [
        ("SE", 30), ("SE", 29), ("LT", 9),
    ]  # fmt: skip
    explained = {one.application.points: one.explanation for one in decisions}
    assert explained[9] == "Offered: rank 4 of 5 with 9 of 30 points; from the 1 place kept for LT."
    assert explained[28] == (
        "Waitlisted: rank 3 of 5 with 28 of 30 points; all 3 offers went to better ranked applications "
        "or to places kept for a country. Place 1 of the waiting list."
    )


def test_a_country_at_its_maximum_waits_although_better_ranked() -> None:
    applications = [application("LT", points) for points in (30, 29, 28)] + [application("SE", 5), application("SE", 4)]

    decisions = decide(applications, call(3, 0, Quota(country="LT", minimum=0, maximum=2)))

    assert [one.state.value for one in decisions] == ["offered", "offered", "waitlisted", "offered", "waitlisted"]
    assert "LT holds 2 places already, its maximum in this call" in decisions[2].explanation
    assert "all 3 offers went to better ranked" in decisions[4].explanation


def test_places_stay_empty_rather_than_break_a_maximum() -> None:
    applications = [application("LT", points) for points in (30, 29)]

    decisions = decide(applications, call(2, 0, Quota(country="LT", maximum=1)))

    assert [one.state.value for one in decisions] == ["offered", "waitlisted"]
    assert "its maximum" in decisions[1].explanation


def test_who_is_not_eligible_is_rejected_with_the_rules_that_are_missed() -> None:
    good, small = application("SE", 3), application("SE", 30, SMALL)

    decisions = decide([small, good], call(5))

    assert [(one.rank, one.state.value) for one in decisions] == [(1, "offered"), (2, "rejected")]
    assert decisions[1].explanation == (
        "Not eligible: 0.2 full-time equivalents of dedicated management where at least 0.5 are required; "
        "12 committed members where at least 15 are required."
    )


def test_the_earlier_of_two_equals_is_ranked_first() -> None:
    first, second = application("SE", 20), application("SE", 20)
    first = first.model_copy(update={"application_id": "app_01"})
    second = second.model_copy(update={"application_id": "app_02"})

    assert [one.application.application_id for one in decide([second, first], call(1))] == ["app_01", "app_02"]


def test_a_free_place_restores_a_minimum_before_points_count() -> None:
    waiting = [application("SE", 30), application("LT", 2)]
    quotas = [Quota(country="LT", minimum=2, maximum=5)]

    chosen = choose(waiting, 1, {"LT": 1, "SE": 9}, quotas)

    assert chosen == {waiting[1].application_id: Ground.MINIMUM}
    assert "2 places kept for it" in explain_promotion(waiting[1], Ground.MINIMUM, quotas)


def test_a_free_place_skips_countries_that_hold_their_maximum() -> None:
    waiting = [application("LT", 30), application("SE", 2)]

    assert choose(waiting, 1, {"LT": 3}, [Quota(country="LT", maximum=3)]) == {waiting[1].application_id: Ground.POINTS}


COUNTRIES = st.sampled_from(["SE", "FI", "LT", "DE"])


@given(
    read=st.lists(st.tuples(COUNTRIES, st.integers(0, 30)), max_size=40),
    limits=st.dictionaries(COUNTRIES, st.tuples(st.integers(0, 4), st.integers(0, 8))),
    seats=st.integers(16, 26),
)
def test_no_list_breaks_a_quota_or_leaves_a_place_that_somebody_could_take(
    read: list[tuple[str, int]], limits: dict[str, tuple[int, int]], seats: int
) -> None:
    quotas = [Quota(country=country, minimum=low, maximum=low + more) for country, (low, more) in limits.items()]
    applications = [application(country, points) for country, points in read]

    decisions = decide(applications, call(seats, 0, *quotas))

    got = Counter(one.application.country for one in decisions if one.state is ApplicationState.OFFERED)
    applied = Counter(country for country, _ in read)
    assert sum(got.values()) <= seats
    for quota in quotas:
        assert min(quota.minimum, applied[quota.country]) <= got[quota.country] <= (quota.maximum or 0)
    maxima = {quota.country: quota.maximum for quota in quotas}
    waiting = [one.application.country for one in decisions if one.state is ApplicationState.WAITLISTED]
    if sum(got.values()) < seats:
        assert all(got[country] == maxima.get(country) for country in waiting)
    for better, worse in pairwise(decisions):
        assert better.application.points >= worse.application.points
        assert (better.rank, worse.rank) == (worse.rank - 1, better.rank + 1)


@given(points=st.lists(st.integers(0, 30), min_size=1, max_size=30), seats=st.integers(1, 30))
def test_of_one_country_nobody_is_passed_by_somebody_with_fewer_points(points: list[int], seats: int) -> None:
    got = offered([application("SE", value) for value in points], call(seats))

    assert [value for _, value in got] == sorted(points, reverse=True)[:seats]
