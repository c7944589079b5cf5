import asyncio
from typing import Any

from cme_contracts.assessment import (
    CreditAssessed,
    CreditRecognised,
    CreditValidated,
    EvidenceSubmitted,
    ProgrammeCompleted,
)
from cme_kit.testing import eventually


async def test_a_unit_goes_from_evidence_to_recognised_points(either_driver: Any) -> None:
    stage = either_driver
    learner, enrolment_id = await stage.enrol()

    credit = await stage.assessed(learner, enrolment_id, 1, 2, 3, 0)
    validated = await stage.validate(credit["credit_id"])
    recognised = await stage.recognise(credit["credit_id"])

    assert (credit["state"], credit["achieved"], credit["points"]) == ("assessed", True, 5)
    assert credit["agreement"]["version"] == 1
    assert (validated["state"], recognised["state"]) == ("validated", "recognised")
    assert recognised["recognised"]["institution_id"] == stage.home

    async def published() -> list[Any]:
        return await stage.bus.published(CreditRecognised)

    [event] = await eventually(published)
    assert event.subject == credit["credit_id"]
    assert event.data["points"] == 5
    assert event.data["achieved_outcome_ids"] == [outcome.outcome_id for outcome in stage.unit(1).outcomes[:2]]
    assert event.data["assessed"]["actor_id"] == stage.assessor.person_id
    assert event.data["validated"]["actor_id"] == stage.validator.person_id
    assert [len(await stage.bus.published(kind)) for kind in (EvidenceSubmitted, CreditAssessed, CreditValidated)] == [
        1,
        1,
        1,
    ]


async def test_two_last_units_recognised_at_once_complete_the_programme_once(either_driver: Any) -> None:
    stage = either_driver
    learners = [await stage.enrol() for _ in range(4)]
    units = [[(await stage.validated(*who, unit))["credit_id"] for unit in (1, 2)] for who in learners]

    days = ("2021-05-01", "2021-04-01")
    await asyncio.gather(
        *(stage.recognise(credit, on) for both in units for credit, on in zip(both, days, strict=True))
    )

    async def published() -> bool:
        return len(await stage.bus.published(CreditRecognised)) == 8

    await eventually(published)
    completed = await stage.bus.published(ProgrammeCompleted)
    assert sorted(event.data["enrolment_id"] for event in completed) == sorted(enrolment for _, enrolment in learners)
    assert {event.data["completed_on"] for event in completed} == {"2021-05-01"}
    assert {event.data["points"] for event in completed} == {10}
    assert sorted(event.data["credit_ids"] for event in completed) == sorted(units)
