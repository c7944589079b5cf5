"""The facts of the pilot year agree with each other."""

from collections import Counter

from cme_local.pilot.clusters import draw_directory
from cme_local.pilot.facts import read_facts

LANGUAGES = {"en", "sv", "fi", "lt", "de"}


def test_seven_partners_in_four_countries_carry_the_programme() -> None:
    partners = read_facts().partners

    assert len(partners) == 7
    assert {partner.country for partner in partners} == {"SE", "FI", "LT", "DE"}


def test_the_points_of_the_units_are_those_of_the_programme() -> None:
    curriculum = read_facts().curriculum

    assert sum(unit.points for unit in curriculum.units) == curriculum.programme.points == 20
    assert curriculum.programme.eqf_level == 6


def test_each_unit_has_two_outcomes_of_each_kind() -> None:
    for unit in read_facts().curriculum.units:
        kinds = Counter(outcome.kind for outcome in unit.outcomes)

        assert kinds == {"knowledge": 2, "skills": 2, "responsibility_autonomy": 2}


def test_outcomes_use_the_areas_and_skills_of_the_profile_and_leave_none_out() -> None:
    facts = read_facts()
    areas = {area.code: set(area.skills) for area in facts.curriculum.profile.areas}
    outcomes = [outcome for unit in facts.curriculum.units for outcome in unit.outcomes]

    assert {outcome.area for outcome in outcomes} == set(areas)
    assert {skill for skills in areas.values() for skill in skills} == set(facts.skills)
    assert {skill for outcome in outcomes for skill in outcome.skills} == set(facts.skills)
    assert len(facts.skills) == 16


def test_titles_are_in_five_languages() -> None:
    curriculum = read_facts().curriculum
    titles = [curriculum.programme.title, curriculum.programme.summary, curriculum.profile.title]
    titles += [unit.title for unit in curriculum.units] + [area.title for area in curriculum.profile.areas]

    assert all(set(title) == LANGUAGES for title in titles)


def test_each_module_meets_twice_and_goes_on_online_between() -> None:
    for unit in read_facts().curriculum.units:
        sessions = [session for session in read_facts().curriculum.offering.sessions if session.unit == unit.code]

        assert [session.mode for session in sessions] == ["onsite", "online", "onsite"]
        assert [session.start for session in sessions] == sorted(session.start for session in sessions)


def test_a_review_has_a_blocking_comment_with_its_resolution_and_enough_votes() -> None:
    review = read_facts().curriculum.review
    blocking = [comment for comment in review.comments if comment.blocking]

    assert blocking
    assert all(comment.resolution for comment in blocking)
    assert len(review.votes) >= review.quorum
    assert {vote.by for vote in review.votes} <= {*review.experts, *review.reference_group}


def test_forty_applicants_of_whom_one_is_waived_in_and_one_stays_out() -> None:
    facts = read_facts()
    applicants = {applicant.key: applicant for applicant in facts.applicants}
    short = {
        key
        for key, applicant in applicants.items()
        if applicant.management_fte < 0.5 or applicant.members < 15 or len(applicant.member_types) < 2
    }

    assert len(applicants) == facts.expected.applications == 40
    assert short == {facts.selection.waiver.applicant, facts.selection.ineligible}
    assert [key for key, applicant in applicants.items() if not applicant.scores] == [facts.selection.ineligible]


def test_the_ranking_offers_26_seats_of_which_7_go_to_lithuania() -> None:
    facts = read_facts()
    countries = Counter(applicant.country for applicant in facts.selected())

    assert countries.total() == facts.expected.offers == 26
    assert countries["LT"] == facts.expected.offers_to.count == 7
    assert all(countries[q["country"]] >= q["minimum"] for q in facts.selection.call.quotas)


def test_lithuania_s_maximum_keeps_out_somebody_who_scored_as_well_as_the_last_selected() -> None:
    facts = read_facts()
    last = min(applicant.total for applicant in facts.selected())
    kept_out = [a for a in facts.ranked() if a not in facts.selected() and a.total >= last]

    assert [applicant.country for applicant in kept_out] == ["LT"]


def test_no_tie_decides_who_is_selected() -> None:
    facts = read_facts()
    others = [a for a in facts.ranked() if a not in facts.selected()]
    lithuanians = [a for a in facts.ranked() if a.country == "LT"]

    assert max(a.total for a in others if a.country != "LT") < min(a.total for a in facts.selected())
    assert lithuanians[6].total > lithuanians[7].total


def test_24_from_eight_countries_start() -> None:
    facts = read_facts()
    starters = facts.starters()

    assert len(starters) == facts.expected.started == facts.selection.extension.seats == 24
    assert sorted({applicant.country for applicant in starters}) == facts.expected.countries


def test_expected_badges_follow_from_what_happened_in_the_modules() -> None:
    facts = read_facts()
    modules = [module.unit for module in facts.learning.modules]
    left = facts.learning.withdrawal
    withheld = len([unit for unit in modules if unit > left.after]) + 1  # and the unit that was not achieved

    assert facts.expected.unit_badges == len(facts.starters()) * len(modules) - withheld
    assert facts.expected.completed == facts.expected.programme_badges == len(facts.starters()) - 2


def test_the_duties_of_each_module_are_three_persons_of_three_institutions() -> None:
    facts = read_facts()
    institution = {person.key: person.organisation for person in facts.staff}

    for module in facts.learning.modules:
        duties = (module.assessor, module.validator, module.recogniser)

        assert len({institution[person] for person in duties}) == 3
        assert institution[module.assessor] == facts.unit(module.unit).host
        assert module.assessed_on <= module.validated_on <= module.recognised_on


def test_the_appeal_is_decided_by_somebody_else_than_the_assessor() -> None:
    learning = read_facts().learning
    module = next(module for module in learning.modules if module.unit == learning.appeal.unit)

    assert learning.appeal.decided_by != module.assessor
    assert module.assessed_on <= learning.appeal.decided_on <= module.validated_on
    assert learning.appeal.amended_level > learning.not_achieved_level


def test_people_whom_the_story_names_are_learners() -> None:
    facts = read_facts()
    learning = facts.learning
    named = {learning.withdrawal.learner, learning.not_achieved.learner, learning.appeal.learner}
    named |= {learning.reissue.learner, learning.agreement.changed_for, learning.traced_learner}

    assert named <= {applicant.key for applicant in facts.starters()}


def test_one_cluster_goes_from_bronze_to_gold() -> None:
    labels = read_facts().outreach.labels

    assert [label.level for label in labels if label.cluster == "kvarken"] == ["bronze", "silver", "gold"]


def test_the_same_seed_draws_the_same_directory() -> None:
    assert draw_directory(2019, 160) == draw_directory(2019, 160)
    assert draw_directory(2019, 160) != draw_directory(2020, 160)


def test_a_directory_holds_every_kind_of_dirt() -> None:
    directory = draw_directory(2019, 160)
    dirt = {kind for row in directory.rows for kind in row.dirt}

    assert {"mojibake", "nul_byte", "formula", "near_miss", "email_homoglyph", "no_domain"} <= dirt
    assert len(directory.organisations) == 160
