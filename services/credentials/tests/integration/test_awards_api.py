"""Reading, revoking and reissuing awards: who may, in which state, and what the public then sees."""

import base64
import gzip
from typing import Any

from cme_contracts.credentials import CredentialIssued, CredentialRevoked
from cme_kit.ids import new_id
from cme_kit.testing import eventually

READ, REVOKE = "credentials.awards:read", "credentials.awards:revoke"


async def test_a_person_sees_their_own_awards_and_nobody_elses(world: Any) -> None:
    mine, other = await world.award(), await world.award()
    me = world.tokens.bearer(mine["person_id"], READ)
    http = world.service.http

    listed = (await http.get("/credentials/v1/awards", headers=me)).json()["items"]
    asked = await http.get("/credentials/v1/awards", params={"person_id": other["person_id"]}, headers=me)
    foreign = await http.get(f"/credentials/v1/awards/{other['award_id']}", headers=me)
    unknown = await http.get(f"/credentials/v1/awards/{new_id('awd')}", headers=me)
    own = await http.get(f"/credentials/v1/awards/{mine['award_id']}", headers=me)

    assert [award["award_id"] for award in listed] == [mine["award_id"]]
    assert asked.json()["items"] == []
    assert (foreign.status_code, unknown.status_code, own.status_code) == (404, 404, 200)
    assert foreign.json()["detail"] == unknown.json()["detail"]


async def test_lists_are_filtered_and_paged(world: Any) -> None:
    person_id = await world.person()
    for unit in range(4):
        event = world.recognised(person_id, "enr_1", unit)
        await world.bus.publish(event.credit_id, event)
    await world.bus.publish("enr_1", world.completed(person_id, "enr_1"))
    await world.issued(5, enrolment_id="enr_1")
    http = world.service.http

    seen, after = [], None
    while True:
        query = {"limit": 2, **({"after": after} if after else {})}
        answer = await http.get("/credentials/v1/awards", params=query, headers=world.staff())
        seen += [award["award_id"] for award in answer.json()["items"]]
        after = answer.json()["next"]
        assert ("Link" in answer.headers) == (after is not None)
        if after is None:
            break

    assert len(seen) == len(set(seen)) == 5
    assert len(await world.awards(kind="unit")) == 4
    assert await world.awards(enrolment_id="enr_2") == []
    bad = await http.get("/credentials/v1/awards", params={"kind": "medal"}, headers=world.staff())
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")


async def test_a_revocation_is_in_the_signed_list_and_on_the_page_at_once(world: Any) -> None:
    award = await world.award()
    signed = await world.signed(award)
    path = signed["credentialStatus"]["statusListCredential"].removeprefix("http://gateway.test")
    before = await world.service.http.get(path)

    revoked = await world.revoke(award)

    after = await world.service.http.get(path, headers={"If-None-Match": before.headers["etag"]})
    unchanged = await world.service.http.get(path, headers={"If-None-Match": after.headers["etag"]})
    page = await world.service.http.get(f"/badges/{award['credential_id']}", headers={"Accept": "text/html"})
    assert revoked["state"] == "revoked"
    assert (before.status_code, after.status_code, unchanged.status_code) == (200, 200, 304)
    index = int(signed["credentialStatus"]["statusListIndex"])
    for answer, expected in ((before, False), (after, True)):
        encoded = answer.json()["credentialSubject"]["encodedList"]
        bits = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
        assert len(bits) * 8 == 131_072
        assert bool(bits[index // 8] & (0x80 >> index % 8)) is expected
        assert sum(byte.bit_count() for byte in bits) == int(expected)
    assert "This badge was revoked" in page.text
    assert "The result was amended after an appeal" in page.text

    async def announced() -> list:
        return await world.bus.published(CredentialRevoked)

    [event] = await eventually(announced)
    assert event.data["credential_id"] == award["credential_id"]


async def test_a_revoked_award_is_reissued_as_a_second_edition(world: Any) -> None:
    award = await world.award()
    await world.revoke(award)

    answer = await world.service.http.post(
        f"/credentials/v1/awards/{award['award_id']}/reissue",
        json={"reason": "Marks amended"},
        headers={**world.staff(), "Idempotency-Key": "again"},
    )
    repeated = await world.service.http.post(
        f"/credentials/v1/awards/{award['award_id']}/reissue",
        json={"reason": "Marks amended"},
        headers={**world.staff(), "Idempotency-Key": "again"},
    )
    [reissued] = await world.issued(1, person_id=award["person_id"])

    assert (answer.status_code, answer.json()["edition"], answer.json()["state"]) == (201, 2, "pending")
    assert repeated.json() == answer.json()
    assert reissued["edition"] == 2
    assert reissued["credential_id"] != award["credential_id"]
    old, new = await world.signed(award), await world.signed(reissued)
    assert not (await world.verify(old))["verified"]
    assert (await world.verify(new))["verified"]
    assert old["credentialStatus"]["statusListIndex"] != new["credentialStatus"]["statusListIndex"]
    editions = [event.data["edition"] for event in await world.bus.published(CredentialIssued)]
    assert editions == [1, 2]


async def test_states_that_do_not_allow_it_answer_409_and_change_nothing(world: Any) -> None:
    award = await world.award()
    path = f"/credentials/v1/awards/{award['award_id']}"
    http, reason = world.service.http, {"reason": "because"}

    early = await http.post(f"{path}/reissue", json=reason, headers=world.staff())
    await world.revoke(award, **{"Idempotency-Key": "one"})
    same = await world.revoke(award, **{"Idempotency-Key": "one"})
    twice = await http.post(f"{path}/revocation", json=reason, headers=world.staff())

    assert (early.status_code, early.json()["code"]) == (409, "not_revoked")
    assert same["state"] == "revoked"
    assert (twice.status_code, twice.json()["code"]) == (409, "not_issued")
    assert (await http.get(path, headers=world.staff())).json()["revocation_reason"] != "because"


async def test_bad_requests_and_callers_are_refused(world: Any) -> None:
    award = await world.award()
    http, staff = world.service.http, world.staff()
    learner = world.tokens.bearer(award["person_id"], READ)

    for action in ("revocation", "reissue"):
        path = f"/credentials/v1/awards/{award['award_id']}/{action}"
        codes = [
            (await http.post(path, json={"reason": "because"})).status_code,
            (await http.post(path, json={"reason": "because"}, headers=learner)).status_code,
            (await http.post(path, json={"reason": "because", "state": "issued"}, headers=staff)).status_code,
            (await http.post(path, json={"reason": ""}, headers=staff)).status_code,
            (await http.post(path, json={}, headers=staff)).status_code,
            (await http.post(path, content=b"{", headers={**staff, "Content-Type": "application/json"})).status_code,
            (await http.post(path.replace("awd_", "awd_x"), json={"reason": "because"}, headers=staff)).status_code,
        ]

        assert codes == [401, 403, 422, 422, 422, 400, 404]
    assert (await http.get("/credentials/v1/awards")).status_code == 401
    other = world.tokens.bearer("client", "operations:read")
    assert (await http.get("/credentials/v1/awards", headers=other)).status_code == 403
    [unchanged] = await world.awards(person_id=award["person_id"])
    assert unchanged == award
