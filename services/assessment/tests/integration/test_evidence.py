import hashlib
from typing import Any

from cme_contracts.assessment import EvidenceSubmitted
from cme_contracts.enrolment import LearnerWithdrawn
from cme_kit.ids import new_id
from cme_kit.testing import eventually

TEXT = b"# A workshop for our members\n\nWhat we did, and what we learned.\n"
MIB = 1024 * 1024


async def test_evidence_is_stored_once_its_bytes_are_those_declared(either_driver: Any) -> None:
    stage = either_driver
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.declare(learner, enrolment_id, 1)
    path = f"/submissions/{submission_id}"

    before = await stage.ok(learner, "GET", path)
    handed_in = await stage.ok(learner, "PUT", f"{path}/content", TEXT, Content_Type="text/markdown")
    again = await stage.ok(learner, "PUT", f"{path}/content", TEXT)
    content = await stage.call(stage.assessor, "GET", f"{path}/content")

    assert (before["state"], before["submitted_at"]) == ("awaiting_content", None)
    assert (handed_in["state"], handed_in["late"]) == ("submitted", None)
    assert again == handed_in
    assert content.content == TEXT
    assert content.headers["content-disposition"] == f'attachment; filename="{submission_id}.md"'
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-type"].startswith("text/markdown")

    async def published() -> list[Any]:
        return await stage.bus.published(EvidenceSubmitted)

    [event] = await eventually(published)
    assert event.data["sha256"] == hashlib.sha256(TEXT).hexdigest()


async def test_the_largest_evidence_fits_and_a_byte_more_does_not(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    content = b"PK\x03\x04" + bytes(5 * MIB - 4)

    submission_id = await stage.declare(learner, enrolment_id, 1, content=content, media_type="application/zip")
    handed_in = await stage.call(learner, "PUT", f"/submissions/{submission_id}/content", content)
    read = await stage.call(learner, "GET", f"/submissions/{submission_id}/content")
    path = f"/learners/{enrolment_id}/units/{stage.unit(1).unit_id}/submissions"
    larger = await stage.call(learner, "POST", path, stage.evidence(size=5 * MIB + 1))

    assert handed_in.status_code == 200, handed_in.text
    assert hashlib.sha256(read.content).digest() == hashlib.sha256(content).digest()
    assert (larger.status_code, larger.json()["code"]) == (413, "content_too_large")


async def test_other_bytes_are_refused_and_nothing_is_stored(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    png, program = b"\x89PNG\r\n\x1a\n", b"MZ\x90\x00"
    wrong: list[tuple[dict[str, Any], bytes, str]] = [
        ({}, TEXT + b"more", "size_differs"),
        ({}, TEXT[:-1], "size_differs"),
        ({}, b"", "size_differs"),
        ({}, TEXT.replace(b"we", b"me"), "hash_differs"),
        ({"media_type": "application/pdf"}, TEXT, "type_differs"),
        ({"content": png, "media_type": "image/jpeg"}, png, "type_differs"),
        ({"content": program, "media_type": "text/plain"}, program, "type_differs"),
    ]

    for declared, sent, difference in wrong:
        submission_id = await stage.declare(learner, enrolment_id, 1, **declared)
        answer = await stage.call(learner, "PUT", f"/submissions/{submission_id}/content", sent)
        assert (answer.status_code, answer.json()["code"]) == (422, "content_mismatch")
        assert difference in [error["code"] for error in answer.json()["errors"]]
        assert (await stage.call(learner, "GET", f"/submissions/{submission_id}/content")).status_code == 404
        assert (await stage.ok(learner, "GET", f"/submissions/{submission_id}"))["state"] == "awaiting_content"


async def test_a_body_that_claims_another_type_is_refused(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.declare(learner, enrolment_id, 1)

    answer = await stage.call(learner, "PUT", f"/submissions/{submission_id}/content", TEXT, Content_Type="text/html")

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_declaration_that_does_not_fit_is_refused(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    path = f"/learners/{enrolment_id}/units/{stage.unit(1).unit_id}/submissions"
    wrong: list[dict[str, Any]] = [
        {"media_type": "text/html"},
        {"size": 0},
        {"size": "12"},
        {"size": 1.5},
        {"sha256": "AB" * 32},
        {"sha256": "ab"},
        {"title": " "},
        {"title": {"$gt": ""}},
        {"state": "submitted"},
        {"person_id": new_id("per")},
    ]

    for changed in wrong:
        answer = await stage.call(learner, "POST", path, stage.evidence(**changed))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), changed

    assert (await stage.ok(learner, "GET", f"/learners/{enrolment_id}/submissions"))["items"] == []


async def test_an_agreement_in_force_has_to_cover_the_unit(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol(units=())
    path = f"/learners/{enrolment_id}/units/{stage.unit(2).unit_id}/submissions"

    without = await stage.call(learner, "POST", path, stage.evidence())
    await stage.agree(enrolment_id, (2,))

    async def covered() -> bool:
        return (await stage.call(learner, "POST", path, stage.evidence())).status_code == 201

    assert (without.status_code, without.json()["code"]) == (409, "no_agreement")
    await eventually(covered)
    other = path.replace(stage.unit(2).unit_id, stage.unit(1).unit_id)
    assert (await stage.call(learner, "POST", other, stage.evidence())).json()["code"] == "no_agreement"


async def test_a_learner_who_left_hands_in_nothing_more(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    waiting = await stage.declare(learner, enrolment_id, 2)
    handed_in = await stage.hand_in(learner, enrolment_id, 1)
    event = LearnerWithdrawn(
        enrolment_id=enrolment_id,
        person_id=learner.person_id,
        cohort_id=stage.cohort_id,
        reason_code="job_change",
        withdrawn_on="2021-06-01",
    )
    await stage.bus.publish(enrolment_id, event)

    async def left() -> bool:
        transcript = await stage.ok(learner, "GET", f"/learners/{enrolment_id}/transcript")
        return transcript["withdrawn_on"] == "2021-06-01"

    await eventually(left)
    path = f"/learners/{enrolment_id}/units/{stage.unit(2).unit_id}/submissions"
    declared = await stage.call(learner, "POST", path, stage.evidence())
    content = await stage.call(learner, "PUT", f"/submissions/{waiting}/content", TEXT)
    credit = await stage.assess(handed_in, 1)

    assert (declared.status_code, declared.json()["code"]) == (409, "learner_withdrawn")
    assert (content.status_code, content.json()["code"]) == (409, "learner_withdrawn")
    assert credit["achieved"]


async def test_others_see_no_evidence(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    other, _ = await stage.enrol()
    submission_id = await stage.hand_in(learner, enrolment_id, 1)
    unknown = new_id("sub")
    path = f"/learners/{enrolment_id}/units/{stage.unit(1).unit_id}/submissions"

    for stranger in (other, stage.foreigner, stage.validator):
        for tail in ("", "/content"):
            foreign = await stage.call(stranger, "GET", f"/submissions/{submission_id}{tail}")
            missing = await stage.call(stranger, "GET", f"/submissions/{unknown}{tail}")
            assert (foreign.status_code, foreign.json()) == (404, missing.json())
    assert (await stage.call(other, "POST", path, stage.evidence())).status_code == 404
    assert (await stage.call(other, "PUT", f"/submissions/{submission_id}/content", TEXT)).status_code == 404
    assert (await stage.call(other, "DELETE", f"/submissions/{submission_id}")).status_code == 404
    for stranger in (other, stage.foreigner):
        assert (await stage.call(stranger, "GET", f"/learners/{enrolment_id}/submissions")).status_code == 404
    foreign_unit = path.replace(stage.unit(1).unit_id, new_id("unt"))
    assert (await stage.call(learner, "POST", foreign_unit, stage.evidence())).status_code == 404
    no_learner = path.replace(enrolment_id, new_id("enr"))
    assert (await stage.call(learner, "POST", no_learner, stage.evidence())).status_code == 404


async def test_tokens_without_the_scope_submit_nothing(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.declare(learner, enrolment_id, 1)
    path = f"/assessment/v1/submissions/{submission_id}/content"

    nobody = await stage.service.http.put(path, content=TEXT)
    assessor = await stage.call(stage.assessor, "PUT", f"/submissions/{submission_id}/content", TEXT)
    queue = await stage.call(learner, "GET", "/submissions")

    assert [answer.status_code for answer in (nobody, assessor, queue)] == [401, 403, 403]


async def test_assessors_have_a_queue_of_their_institutions_evidence(stage: Any) -> None:
    first, first_enrolment = await stage.enrol()
    second, second_enrolment = await stage.enrol()
    ids = [
        await stage.hand_in(first, first_enrolment, 1),
        await stage.hand_in(second, second_enrolment, 1),
        await stage.hand_in(second, second_enrolment, 2),
    ]
    await stage.declare(first, first_enrolment, 2)

    page = await stage.ok(stage.assessor, "GET", "/submissions?state=submitted&limit=2")
    rest = await stage.ok(stage.assessor, "GET", f"/submissions?state=submitted&limit=2&after={page['next']}")

    assert [item["submission_id"] for item in [*page["items"], *rest["items"]]] == sorted(ids)
    assert (await stage.ok(stage.foreigner, "GET", "/submissions"))["items"] == []
    assert (await stage.call(stage.assessor, "GET", "/submissions?state[$ne]=x")).json()["items"] == page[
        "items"
    ] + rest["items"]
    assert (await stage.call(stage.assessor, "GET", "/submissions?state=all")).status_code == 422


async def test_open_evidence_is_bounded_and_can_be_taken_back(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    path = f"/learners/{enrolment_id}/units/{stage.unit(1).unit_id}/submissions"
    ids = [await stage.declare(learner, enrolment_id, 1) for _ in range(10)]

    eleventh = await stage.call(learner, "POST", path, stage.evidence())
    removed = await stage.call(learner, "DELETE", f"/submissions/{ids[0]}")
    then = await stage.call(learner, "POST", path, stage.evidence())

    assert (eleventh.status_code, eleventh.json()["code"]) == (409, "too_many_submissions")
    assert (removed.status_code, then.status_code) == (204, 201)
    assert (await stage.call(learner, "GET", f"/submissions/{ids[0]}")).status_code == 404


async def test_assessed_evidence_stays(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.hand_in(learner, enrolment_id, 1)
    await stage.assess(submission_id, 1)

    answer = await stage.call(learner, "DELETE", f"/submissions/{submission_id}")
    again = await stage.call(learner, "PUT", f"/submissions/{submission_id}/content", TEXT)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert (again.status_code, again.json()["state"]) == (200, "assessed")  # the same bytes change nothing


async def test_evidence_after_the_due_day_is_marked_late(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    [first, second] = await stage.plans()
    handed_in = await stage.ok(learner, "GET", f"/submissions/{await stage.hand_in(learner, enrolment_id, 1)}")
    today = handed_in["submitted_at"][:10]
    days = {1: (first, "2021-03-31"), 2: (second, today)}
    for plan, day in days.values():
        body = stage.change_of(plan, due_on=day)
        await stage.ok(stage.coordinator, "PUT", f"/plans/{plan['plan_id']}", body, If_Match=f'"{plan["revision"]}"')

    late = [
        (await stage.ok(learner, "GET", f"/submissions/{await stage.hand_in(learner, enrolment_id, unit)}"))["late"]
        for unit in (1, 2)
    ]

    assert late == [True, False]


async def test_a_repeated_declaration_makes_one_submission(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    path = f"/learners/{enrolment_id}/units/{stage.unit(1).unit_id}/submissions"

    first = await stage.call(learner, "POST", path, stage.evidence(), Idempotency_Key="report-1")
    again = await stage.call(learner, "POST", path, stage.evidence(), Idempotency_Key="report-1")
    other = await stage.call(learner, "POST", path, stage.evidence(title="Other"), Idempotency_Key="report-1")

    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await stage.ok(learner, "GET", f"/learners/{enrolment_id}/submissions"))["items"]) == 1
