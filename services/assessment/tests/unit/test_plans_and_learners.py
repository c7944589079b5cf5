from datetime import UTC, date, datetime

import pytest
from assessment.learners.domain import (
    Agreement,
    Learner,
    RecognisedUnit,
    agreement_covering,
    completion_day,
    may_read,
    with_agreement,
)
from assessment.learners.service import Learners
from assessment.plans.domain import (
    DEFAULT_RUBRIC,
    Day,
    DutiesNotSeparated,
    RubricLevel,
    UnsoundRubric,
    check_duties,
    check_rubric,
)
from cme_contracts.enrolment import AgreementApproved, LearnerWithdrawn
from cme_kit.auth import Principal
from cme_kit.consumers import NotYet
from cme_kit.outbox import Transaction
from pydantic import TypeAdapter, ValidationError

READ = "assessment.transcripts:read"


def rubric(*achieved: bool) -> list[RubricLevel]:
    return [RubricLevel(level=level, label=str(level), achieved=value) for level, value in enumerate(achieved)]


def test_the_default_rubric_is_sound_and_achieved_from_two() -> None:
    check_rubric(DEFAULT_RUBRIC)

    assert {step.level for step in DEFAULT_RUBRIC if step.achieved} == {2, 3, 4}


@pytest.mark.parametrize(
    "unsound",
    [
        rubric(True, True),
        rubric(False, False),
        rubric(False, True, False),
        list(reversed(rubric(False, True))),
        [*rubric(False, True), RubricLevel(level=1, label="again", achieved=True)],
    ],
)
def test_a_rubric_by_which_nobody_could_mark_is_refused(unsound: list[RubricLevel]) -> None:
    with pytest.raises(UnsoundRubric):
        check_rubric(unsound)


def test_one_institution_does_not_assess_and_recognise() -> None:
    check_duties("org_a", "org_b")

    with pytest.raises(DutiesNotSeparated):
        check_duties("org_a", "org_a")


@pytest.mark.parametrize("value", [0, 1.5, True, "2021-3-1", "2021-02-30", "2021-03-01T00:00:00Z", datetime.now(UTC)])
def test_a_day_is_a_calendar_day(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Day).validate_python(value)


def test_a_day_is_sent_as_it_is_written() -> None:
    adapter = TypeAdapter(Day)

    assert adapter.validate_python("2021-03-01") == date(2021, 3, 1)
    assert adapter.dump_python(date(2021, 3, 1)) == "2021-03-01"


def agreement(name: str, version: int, *unit_ids: str) -> Agreement:
    return Agreement(agreement_id=name, version=version, content_hash="h", unit_ids=list(unit_ids))


def test_a_new_version_replaces_an_agreement_and_an_old_one_does_not() -> None:
    first, second, other = agreement("a", 1, "u1"), agreement("a", 2, "u2"), agreement("b", 1, "u3")

    assert with_agreement([first, other], second) == [other, second]
    assert with_agreement([second], first) == [second]


def learner(*agreements: Agreement) -> Learner:
    return Learner(
        enrolment_id="enr_1",
        person_id="per_1",
        cohort_id="coh_1",
        programme_id="prg_1",
        programme_version=1,
        agreements=list(agreements),
    )


def test_the_latest_agreement_that_covers_a_unit_is_cited() -> None:
    covered = learner(agreement("a", 1, "u1", "u2"), agreement("b", 4, "u2"))

    assert agreement_covering(covered, "u1") == agreement("a", 1, "u1", "u2")
    assert agreement_covering(covered, "u2") == agreement("b", 4, "u2")
    assert agreement_covering(covered, "u3") is None


def recognised(unit_id: str, day: int) -> RecognisedUnit:
    return RecognisedUnit(unit_id=unit_id, credit_id=f"crd_{unit_id}", points=5, on=date(2021, 3, day))


def test_a_programme_is_completed_on_the_day_of_its_last_recognition() -> None:
    units = ["u1", "u2"]

    assert completion_day([], units) is None
    assert completion_day([recognised("u1", 1)], units) is None
    assert completion_day([recognised("u1", 9), recognised("u2", 2)], units) == date(2021, 3, 9)
    assert completion_day([], []) is None


def principal(subject: str, *scopes: str, org: str | None = None) -> Principal:
    return Principal(subject, "app", frozenset(scopes), org)


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        (principal("per_1", READ), True),
        (principal("per_2", READ), False),
        (principal("per_2", READ, org="org_host"), False),
        (principal("per_2", READ, "assessment.marks:write", org="org_host"), True),
        (principal("per_2", READ, "assessment.credits:validate", org="org_host"), True),
        (principal("per_2", READ, "assessment.marks:write", org="org_other"), False),
        (principal("per_2", READ, "assessment.marks:write"), False),
        (principal("per_2", READ, "assessment.plans:write"), True),
        (principal("client-1", READ), True),
        (principal("client-1", READ, org="org_other"), False),
        (principal("client-1", READ, org="org_host"), True),
    ],
)
def test_who_sees_a_learner(caller: Principal, allowed: bool) -> None:
    assert may_read(caller, "per_1", {"org_host"}) is allowed


class NobodyEnrolled:
    """Learners of a service that has not heard of any."""

    async def withdraw(self, *_: object) -> bool:
        return False

    async def lock(self, *_: object) -> None:
        return None


async def test_facts_about_a_learner_wait_for_the_enrolment() -> None:
    learners = Learners(NobodyEnrolled())  # type: ignore[arg-type]
    tx = Transaction(session=None, outbox=None)  # type: ignore[arg-type]
    withdrawal = LearnerWithdrawn(
        enrolment_id="enr_1", person_id="per_1", cohort_id="coh_1", reason_code="health", withdrawn_on=date(2021, 1, 1)
    )
    approval = AgreementApproved(
        agreement_id="agr_1",
        enrolment_id="enr_1",
        version=1,
        content_hash="h",
        unit_ids=[],
        home_organisation_id="org_1",
        host_organisation_id="org_2",
    )

    with pytest.raises(NotYet):
        await learners.apply_withdrawal(tx, withdrawal)
    with pytest.raises(NotYet):
        await learners.apply_agreement(tx, approval)
