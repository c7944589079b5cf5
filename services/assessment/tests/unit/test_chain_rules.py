from datetime import UTC, date, datetime
from typing import Any

import pytest
from assessment.credits.domain import (
    Act,
    AppealOpen,
    Credit,
    CreditState,
    DateOutOfOrder,
    Mark,
    NotAchieved,
    SeparationOfDuties,
    UnfitMarks,
    WrongState,
    amend_outcomes,
    check_actor,
    check_day,
    check_recognising,
    check_step,
    is_achieved,
    mark_outcomes,
    superseded,
)
from assessment.plans.domain import DEFAULT_RUBRIC, Outcome
from cme_kit.problems import ServiceError
from hypothesis import given
from hypothesis import strategies as st

OUTCOMES = [
    Outcome(outcome_id="k", code="M1-K", kind="knowledge", statement={"en": "k"}, required=True),
    Outcome(outcome_id="s", code="M1-S", kind="skills", statement={"en": "s"}, required=True),
    Outcome(outcome_id="r", code="M1-R", kind="responsibility_autonomy", statement={"en": "r"}, required=False),
]
ASSESSOR = Act(actor_id="per_assessor", institution_id="org_host", on=date(2021, 3, 1))


def marks(**levels: int) -> list[Mark]:
    return [Mark(outcome_id=outcome_id, level=level) for outcome_id, level in levels.items()]


def credit(*, levels: tuple[int, int, int] = (2, 2, 0), **changed: Any) -> Credit:
    outcomes = mark_outcomes(OUTCOMES, DEFAULT_RUBRIC, marks(**dict(zip("ksr", levels, strict=True))))
    fields: dict[str, Any] = {
        "credit_id": "crd_1",
        "enrolment_id": "enr_1",
        "person_id": "per_learner",
        "cohort_id": "coh_1",
        "programme_id": "prg_1",
        "programme_version": 1,
        "plan_id": "pln_1",
        "unit_id": "unt_1",
        "unit_code": "M1",
        "points_targeted": 5,
        "state": CreditState.ASSESSED,
        "attempt": 1,
        "achieved": is_achieved(outcomes),
        "outcomes": outcomes,
        "feedback": "",
        "evidence": ["sub_1"],
        "agreement": None,
        "rubric": list(DEFAULT_RUBRIC),
        "assessed": ASSESSOR,
    }
    return Credit.model_validate({**fields, **changed})


def codes(error: ServiceError) -> list[str]:
    return [found.code for found in error.errors]


@given(st.tuples(*[st.integers(0, 4)] * 3))
def test_points_need_every_required_outcome_and_no_other(levels: tuple[int, int, int]) -> None:
    marked = credit(levels=levels)

    assert marked.achieved is (levels[0] >= 2 and levels[1] >= 2)
    assert marked.points == (5 if marked.achieved else 0)
    assert marked.achieved_outcome_ids == [key for key, level in zip("ksr", levels, strict=True) if level >= 2]


@pytest.mark.parametrize(
    ("given_marks", "expected"),
    [
        (marks(k=2, s=2), ["outcome_missing"]),
        (marks(k=2, s=2, r=2, x=2), ["outcome_unknown"]),
        ([*marks(k=2, s=2, r=2), Mark(outcome_id="k", level=3)], ["outcome_twice"]),
        (marks(k=5, s=2, r=2), ["level_unknown"]),
        ([], ["outcome_missing"] * 3),
    ],
)
def test_every_outcome_is_marked_exactly_once_by_a_level_of_the_rubric(
    given_marks: list[Mark], expected: list[str]
) -> None:
    with pytest.raises(UnfitMarks) as raised:
        mark_outcomes(OUTCOMES, DEFAULT_RUBRIC, given_marks)

    assert codes(raised.value) == expected


def test_an_appeal_raises_marks_and_leaves_the_others() -> None:
    before = credit(levels=(1, 3, 0))

    amended = amend_outcomes(before.outcomes, before.rubric, marks(k=2))

    assert [(outcome.level, outcome.achieved) for outcome in amended] == [(2, True), (3, True), (0, False)]
    assert is_achieved(amended)
    assert before.outcomes[0].level == 1


@pytest.mark.parametrize(
    ("given_marks", "expected"),
    [
        (marks(s=2), ["mark_lowered"]),
        (marks(x=2), ["outcome_unknown"]),
        (marks(k=9), ["level_unknown"]),
        (marks(k=1, s=3), []),
    ],
)
def test_an_appeal_changes_something_and_never_lowers_a_mark(given_marks: list[Mark], expected: list[str]) -> None:
    before = credit(levels=(1, 3, 0))

    with pytest.raises(UnfitMarks) as raised:
        amend_outcomes(before.outcomes, before.rubric, given_marks)

    assert codes(raised.value) == expected


@pytest.mark.parametrize("state", CreditState)
@pytest.mark.parametrize("step", CreditState)
def test_no_step_is_skipped_or_taken_twice(state: CreditState, step: CreditState) -> None:
    follows = {
        (CreditState.ASSESSED, CreditState.VALIDATED),
        (CreditState.VALIDATED, CreditState.RECOGNISED),
    }

    if (state, step) in follows:
        check_step(credit(state=state), step)
    else:
        with pytest.raises(WrongState):
            check_step(credit(state=state), step)


def test_only_a_unit_that_was_not_achieved_is_assessed_again() -> None:
    check_step(credit(levels=(1, 2, 0)), CreditState.ASSESSED)

    with pytest.raises(WrongState):
        check_step(credit(), CreditState.ASSESSED)


def test_a_missing_required_outcome_stops_validation() -> None:
    with pytest.raises(NotAchieved):
        check_step(credit(levels=(1, 2, 4)), CreditState.VALIDATED)


@pytest.mark.parametrize(("levels", "step"), [((2, 2, 0), CreditState.VALIDATED), ((1, 2, 0), CreditState.ASSESSED)])
def test_an_open_appeal_stops_what_would_follow(levels: tuple[int, int, int], step: CreditState) -> None:
    with pytest.raises(AppealOpen):
        check_step(credit(levels=levels, open_appeal_id="apl_1"), step)


@pytest.mark.parametrize("person_id", ["per_learner", "per_assessor"])
def test_nobody_acts_twice_or_on_their_own_credit(person_id: str) -> None:
    with pytest.raises(SeparationOfDuties):
        check_actor(person_id, "per_learner", [ASSESSOR, None])

    check_actor("per_other", "per_learner", [ASSESSOR, None])


def test_the_assessing_institution_does_not_recognise() -> None:
    check_recognising(credit(), "org_home")

    with pytest.raises(SeparationOfDuties):
        check_recognising(credit(), "org_host")


def test_days_are_in_order_and_not_in_the_future() -> None:
    today, before = date(2021, 3, 2), date(2021, 3, 1)

    check_day("validated_on", today, today, before)
    check_day("validated_on", before, today, before)
    for day in (date(2021, 3, 3), date(2021, 2, 28)):
        with pytest.raises(DateOutOfOrder):
            check_day("validated_on", day, today, before)


def test_the_last_day_is_that_of_the_last_act_or_decision() -> None:
    assert credit().last_day == date(2021, 3, 1)
    assert credit(appeal_decided_on="2021-03-09").last_day == date(2021, 3, 9)
    assert credit(validated=Act(actor_id="v", institution_id="o", on=date(2021, 3, 5))).last_day == date(2021, 3, 5)


def test_replaced_marks_are_kept_whole() -> None:
    before = credit(levels=(1, 2, 0), feedback="Nearly")

    entry = superseded(before, "appeal", datetime(2021, 4, 1, tzinfo=UTC), "apl_1")

    assert (entry.attempt, entry.replaced_by, entry.appeal_id) == (1, "appeal", "apl_1")
    assert (entry.outcomes, entry.feedback, entry.assessed) == (before.outcomes, "Nearly", ASSESSOR)
