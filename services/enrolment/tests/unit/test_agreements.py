"""Three parties approve the same content."""

from datetime import UTC, date, datetime

import pytest
from enrolment.agreements.domain import (
    AgreedAssessment,
    AgreedRecognition,
    AgreedUnit,
    Agreement,
    AgreementState,
    Approval,
    Role,
    Terms,
    amend,
    approve,
    propose,
)
from enrolment.learners.domain import Learner

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEARNER = Learner(
    enrolment_id="enr", offer_id="ofr", application_id="app", call_id="call", cohort_id="coh", person_id="per_learner",
    organisation_id="org_home", country="SE", programme_id="prg", programme_version=1, enrolled_at=NOW,
)  # fmt: skip


def terms(**fields: object) -> Terms:
    values: dict[str, object] = {
        "home_organisation_id": "org_home",
        "host_organisation_id": "org_host",
        "units": [AgreedUnit(unit_id="unt_1", activities=["Workshop in Växjö"])],
        "starts_on": date(2020, 9, 1),
        "ends_on": date(2021, 11, 30),
        "assessment": AgreedAssessment(method="Portfolio", responsible="Host"),
        "recognition": AgreedRecognition(method="By the home organisation"),
        **fields,
    }
    return Terms.model_validate(values)


def agreement() -> Agreement:
    return propose("agr", LEARNER, terms(), NOW)


def approval(role: Role, of: Agreement) -> Approval:
    return Approval(
        role=role, person_id=f"per_{role}", organisation_id=None, content_hash=of.content_hash, approved_at=NOW
    )


def test_the_third_approval_puts_it_in_force() -> None:
    one = agreement()
    states = []

    for role in (Role.HOST, Role.LEARNER, Role.HOME):
        one = approve(one, approval(role, one))
        states.append(one.state)

    assert states == [AgreementState.PROPOSED, AgreementState.PROPOSED, AgreementState.IN_FORCE]
    assert (one.version_in_force, one.in_force_since, one.revision) == (1, NOW, 4)


def test_a_new_version_voids_the_approvals_and_keeps_them_in_the_history() -> None:
    one = agreement()
    for role in Role:
        one = approve(one, approval(role, one))

    amended = amend(one, LEARNER, terms(ends_on=date(2021, 12, 31)), NOW)

    assert (amended.version, amended.state, amended.awaited) == (2, AgreementState.PROPOSED, list(Role))
    assert amended.version_in_force == 1
    [past] = amended.history
    assert (past.content_hash, len(past.approvals)) == (one.content_hash, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"home_organisation_id": "org_other"},
        {"units": [AgreedUnit(unit_id="unt_1", activities=["Workshop in Vaxjo"])]},
        {"starts_on": date(2020, 9, 2)},
        {"assessment": AgreedAssessment(method="Portfolio", responsible="Home")},
        {"recognition": AgreedRecognition(method="Never")},
    ],
)
def test_every_term_is_bound_by_the_hash(change: dict[str, object]) -> None:
    assert propose("agr", LEARNER, terms(**change), NOW).content_hash != agreement().content_hash


def test_the_same_words_in_another_version_or_agreement_have_another_hash() -> None:
    one = agreement()

    assert one.content_hash == agreement().content_hash
    assert amend(one, LEARNER, terms(), NOW).content_hash != one.content_hash
    assert propose("agr_2", LEARNER, terms(), NOW).content_hash != one.content_hash


@pytest.mark.parametrize(
    ("person_id", "organisation_id", "role"),
    [
        ("per_learner", None, Role.LEARNER),
        ("per_learner", "org_home", Role.LEARNER),
        ("per_x", "org_home", Role.HOME),
        ("per_x", "org_host", Role.HOST),
        ("per_x", "org_x", None),
        ("per_x", None, None),
    ],
)
def test_the_role_comes_from_who_the_caller_is(person_id: str, organisation_id: str | None, role: Role | None) -> None:
    assert agreement().role_of(person_id, organisation_id) is role
