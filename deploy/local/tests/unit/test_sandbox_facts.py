"""What the sandbox fills itself with is complete, agrees with itself, and is visibly made up."""

from cme_local.pilot.facts import read_facts
from cme_local.sandbox_api.facts import read_sandbox_facts


def test_every_partner_person_and_text_says_that_it_is_a_test() -> None:
    year = read_sandbox_facts().year

    assert all("(test)" in partner.name for partner in year.partners)
    assert all("Test" in person.name for person in year.staff)
    assert all("Test" in applicant.family_name and "Test Cluster" in applicant.cluster for applicant in year.applicants)
    assert all(applicant.motivation.startswith("Test data") for applicant in year.applicants)
    assert "test data" in year.curriculum.programme.title["en"]
    assert set(year.curriculum.programme.title) == {"en", "sv", "fi", "lt", "de"}
    assert year.selection.call.title == {"en": "Call for learners 2020-2021 (test data)"}


def test_no_partner_or_person_of_the_pilot_is_in_it() -> None:
    pilot, year = read_facts(), read_sandbox_facts().year

    assert not {p.name for p in pilot.partners} & {p.name for p in year.partners}
    assert not {p.name for p in pilot.staff} & {p.name for p in year.staff}
    assert not {a.email for a in pilot.applicants} & {a.email for a in year.applicants}


def test_whoever_is_named_anywhere_is_in_it() -> None:
    year = read_sandbox_facts().year
    partners = {partner.key for partner in year.partners}
    staff = {person.key for person in year.staff}
    learners = {applicant.key for applicant in year.starters()}
    review, learning = year.curriculum.review, year.learning

    assert {unit.host for unit in year.curriculum.units} <= partners
    assert {session.place for session in year.curriculum.offering.sessions} <= partners | {None}
    assert {person.organisation for person in year.staff} | {year.lead} <= partners
    assert {*review.experts, *review.reference_group, *(vote.by for vote in review.votes)} <= staff
    assert {*year.selection.readers, "host", "second_officer", learning.appeal.decided_by} <= staff
    assert {p for m in learning.modules for p in (m.assessor, m.validator, m.recogniser)} <= staff
    assert {learning.withdrawal.learner, learning.not_achieved.learner, learning.appeal.learner} <= learners
    assert {learning.reissue.learner, learning.traced_learner, learning.agreement.changed_for} <= learners


def test_the_selection_is_as_the_facts_tell_it() -> None:
    year = read_sandbox_facts().year

    assert len(year.selected()) == year.selection.call.seats + year.selection.call.over_offer
    assert len(year.starters()) == year.selection.extension.seats > year.selection.call.seats
    assert {year.selection.declined.applicant, year.selection.unanswered} <= {a.key for a in year.selected()}


def test_the_badges_follow_from_who_left_and_who_did_not_achieve() -> None:
    year = read_sandbox_facts().year
    units = len(year.learning.modules)
    left = [module.unit for module in year.learning.modules].index(year.learning.withdrawal.after) + 1

    assert year.expected.unit_badges == (len(year.starters()) - 2) * units + (units - 1) + left
    assert year.expected.programme_badges == len(year.starters()) - 2
