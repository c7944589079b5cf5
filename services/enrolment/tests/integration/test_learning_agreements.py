"""Learning agreements: three approvals of the same content."""

import asyncio
from typing import Any

import pytest
from cme_contracts.enrolment import AgreementApproved
from cme_kit.ids import new_id
from cme_kit.testing import eventually

BOTH_DRIVERS = pytest.mark.parametrize("driver", ["motor", "pymongo"])


async def new_terms(house: Any, **fields: Any) -> dict[str, Any]:
    return {
        "home_organisation_id": await house.organisation("Home"),
        "host_organisation_id": await house.organisation("Host", "FI", "partner"),
        "units": [{"unit_id": unit_id, "activities": ["Workshop", "Project"]} for unit_id in house.unit_ids],
        "starts_on": "2020-09-01",
        "ends_on": "2021-11-30",
        "assessment": {"method": "Portfolio and oral", "responsible": "University of Vaasa"},
        "recognition": {"method": "By the home organisation, in points"},
        **fields,
    }


class Parties:
    """A proposed agreement and who can approve it."""

    def __init__(self, house: Any, learner: Any, terms: dict[str, Any], agreement: dict[str, Any]) -> None:
        self.learner = learner
        self.home = house.signatory(terms["home_organisation_id"])
        self.host = house.signatory(terms["host_organisation_id"])
        self.terms = terms
        self.agreement = agreement
        self.path = f"/agreements/{agreement['agreement_id']}"

    async def approve(self, someone: Any, content_hash: str | None = None) -> Any:
        body = {"content_hash": content_hash or self.agreement["content_hash"]}
        return await someone.post(f"{self.path}/approvals", body)


@pytest.fixture
async def parties(house: Any) -> Parties:
    person, learner = await house.learner()
    terms = await new_terms(house)
    proposed = await house.coordinator.post(f"/learners/{learner['enrolment_id']}/agreements", terms)
    assert proposed.status_code == 201, proposed.text
    return Parties(house, person, terms, proposed.json())


@BOTH_DRIVERS
async def test_three_approvals_at_once_put_it_in_force_once(house: Any, parties: Parties) -> None:
    answers = await asyncio.gather(
        *(parties.approve(someone) for someone in (parties.learner, parties.home, parties.host))
    )

    assert [answer.status_code for answer in answers] == [200] * 3
    agreement = (await parties.learner.get(parties.path)).json()
    assert (agreement["state"], agreement["version_in_force"], agreement["awaited"]) == ("in_force", 1, [])
    assert {approval["role"] for approval in agreement["approvals"]} == {"learner", "home", "host"}
    assert {approval["content_hash"] for approval in agreement["approvals"]} == {agreement["content_hash"]}

    async def told() -> list[Any]:
        return await house.bus.published(AgreementApproved)

    [event] = await eventually(told)
    assert event.data.items() <= {**agreement, "unit_ids": house.unit_ids}.items()


async def test_an_approval_of_what_was_replaced_is_stale_and_names_the_current_version(
    house: Any, parties: Parties
) -> None:
    await parties.approve(parties.learner)
    read = await house.coordinator.get(parties.path)
    amended = await house.coordinator.put(
        parties.path, {**parties.terms, "ends_on": "2021-12-31"}, **{"If-Match": read.headers["ETag"]}
    )

    stale = await parties.approve(parties.home)

    assert (amended.json()["version"], amended.json()["approvals"]) == (2, [])
    assert amended.json()["awaited"] == ["learner", "home", "host"]
    assert len(amended.json()["history"][0]["approvals"]) == 1
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_approval")
    assert "version 2" in stale.json()["detail"]
    assert amended.json()["content_hash"] in stale.json()["detail"]
    repeated = await parties.approve(parties.home, amended.json()["content_hash"])
    assert [approval["role"] for approval in repeated.json()["approvals"]] == ["home"]


async def test_an_amendment_waits_while_the_approved_version_stays_in_force(house: Any, parties: Parties) -> None:
    for someone in (parties.learner, parties.home, parties.host):
        answer = await parties.approve(someone)

    amended = await house.coordinator.put(parties.path, parties.terms, **{"If-Match": answer.headers["ETag"]})

    assert (amended.json()["state"], amended.json()["version_in_force"]) == ("proposed", 1)
    assert amended.json()["content_hash"] != parties.agreement["content_hash"]


async def test_approving_again_answers_the_same(parties: Parties) -> None:
    first, again = [await parties.approve(parties.home) for _ in range(2)]

    assert first.json() == again.json()
    assert len(again.json()["approvals"]) == 1


async def test_strangers_find_no_agreement(house: Any, parties: Parties) -> None:
    stranger = house.signatory(await house.organisation())

    read, approved, unknown = (
        await stranger.get(parties.path),
        await parties.approve(stranger),
        await stranger.get("/agreements/agr_0"),
    )
    listed = (await stranger.get("/agreements/mine")).json()["items"]
    of_learner = await stranger.get(f"/learners/{parties.agreement['enrolment_id']}/agreements")

    assert [answer.status_code for answer in (read, approved, unknown)] == [404] * 3
    assert read.json()["detail"] == approved.json()["detail"] == unknown.json()["detail"]
    assert (listed, of_learner.json()["items"]) == ([], [])


async def test_the_parties_and_the_coordinator_find_it(house: Any, parties: Parties) -> None:
    for someone in (parties.learner, parties.home, parties.host):
        listed = (await someone.get("/agreements/mine")).json()["items"]
        assert [item["agreement_id"] for item in listed] == [parties.agreement["agreement_id"]]
    of_learner = await house.coordinator.get(f"/learners/{parties.agreement['enrolment_id']}/agreements")
    assert len(of_learner.json()["items"]) == 1


async def test_one_person_approves_for_one_party_and_a_system_for_none(house: Any, parties: Parties) -> None:
    both = house.someone(
        parties.home.subject, "enrolment.agreements:approve", org=parties.terms["host_organisation_id"]
    )
    system = house.someone("erp", "enrolment.agreements:approve", org=parties.terms["home_organisation_id"])
    await parties.approve(parties.home)

    other_hat, machine = await parties.approve(both), await parties.approve(system)

    assert (other_hat.status_code, other_hat.json()["code"]) == (409, "approved_as_other_party")
    assert (machine.status_code, machine.json()["code"]) == (403, "person_required")


async def test_a_change_names_the_revision_it_read(house: Any, parties: Parties) -> None:
    missing = await house.coordinator.put(parties.path, parties.terms)
    await parties.approve(parties.learner)
    stale = await house.coordinator.put(parties.path, parties.terms, **{"If-Match": '"1"'})

    assert (missing.status_code, stale.status_code) == (428, 412)
    assert (await parties.learner.get(parties.path)).json()["version"] == 1


async def test_terms_that_cannot_hold_are_refused(house: Any, parties: Parties) -> None:
    path = f"/learners/{parties.agreement['enrolment_id']}/agreements"
    foreign_unit = {"unit_id": new_id("unt"), "activities": ["Workshop"]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"units": [foreign_unit]}, "unknown_unit"),
        ({"units": []}, "invalid_request"),
        ({"units": [parties.terms["units"][0]] * 2}, "invalid_request"),
        ({"host_organisation_id": new_id("org")}, "unknown_organisation"),
        ({"host_organisation_id": parties.terms["home_organisation_id"]}, "invalid_request"),
        ({"ends_on": "2020-08-31"}, "invalid_request"),
        ({"approvals": []}, "invalid_request"),
    ]

    for change, code in cases:
        answer = await house.coordinator.post(path, {**parties.terms, **change})
        assert (answer.status_code, answer.json()["code"]) == (422, code), change
    hash_of_nothing = await parties.approve(parties.learner, "abc")
    assert hash_of_nothing.status_code == 422


async def test_nothing_is_agreed_with_a_learner_who_left(house: Any, parties: Parties) -> None:
    enrolment_id = parties.agreement["enrolment_id"]
    body = {"reason_code": "workload", "withdrawn_on": "2021-06-30"}
    await house.coordinator.post(f"/learners/{enrolment_id}/withdrawal", body)

    answers = [
        await house.coordinator.post(f"/learners/{enrolment_id}/agreements", parties.terms),
        await house.coordinator.put(parties.path, parties.terms, **{"If-Match": '"1"'}),
        await parties.approve(parties.learner),
    ]
    unknown = await house.coordinator.post("/learners/enr_0/agreements", parties.terms)

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "not_enrolled")] * 3
    assert unknown.status_code == 404
