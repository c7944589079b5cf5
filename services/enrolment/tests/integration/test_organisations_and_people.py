"""Who takes part: organisations and people, and how a person is erased."""

import asyncio
from typing import Any

from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered, SeatExpired
from cme_kit.testing import eventually, person_id

PROFILE = {
    "given_name": "Ada",
    "family_name": "Berg",
    "email": "ada@cluster.example",
    "language": "sv",
    "country": "SE",
}


async def test_an_organisation_is_registered_told_and_found(house: Any) -> None:
    body = {"name": "NetPort Science Park", "country": "SE", "kind": "partner", "website": "https://netport.example"}

    created = await house.coordinator.post("/organisations", body)
    await house.organisation(kind="cluster")
    reader = house.reader()
    read = await reader.get(f"/organisations/{created.json()['organisation_id']}")
    partners = (await house.coordinator.get("/organisations", params={"kind": "partner"})).json()

    assert created.status_code == 201
    assert created.json().items() >= body.items()
    assert read.json() == created.json()
    assert [item["name"] for item in partners["items"]] == ["NetPort Science Park"]

    async def told() -> list[Any]:
        found = await house.bus.published(OrganisationRegistered)
        return [event.data for event in found if event.data["kind"] == "partner"]

    [event] = await eventually(told)
    assert event == {
        **{key: body[key] for key in ("name", "country", "kind")},
        "organisation_id": event["organisation_id"],
    }


async def test_organisations_are_listed_page_by_page(house: Any) -> None:
    made = [await house.organisation(name) for name in ("One", "Two", "Three")]

    first = await house.coordinator.get("/organisations", params={"limit": 2})
    rest = await house.coordinator.get("/organisations", params={"limit": 2, "after": first.json()["next"]})

    assert 'rel="next"' in first.headers["Link"]
    assert {item["organisation_id"] for answer in (first, rest) for item in answer.json()["items"]} == set(made)
    assert rest.json()["next"] is None


async def test_a_country_has_one_organisation_of_a_name(house: Any) -> None:
    body = {"name": "NetPort Science Park", "country": "SE", "kind": "partner"}
    await house.coordinator.post("/organisations", body)

    again = await house.coordinator.post("/organisations", {**body, "name": "netport  science park"})
    elsewhere = await house.coordinator.post("/organisations", {**body, "country": "FI"})

    assert (again.status_code, again.json()["code"]) == (409, "organisation_exists")
    assert elsewhere.status_code == 201


async def test_a_wrong_organisation_is_refused_and_named(house: Any) -> None:
    wrong = [
        {"name": "line\nbreak"},
        {"name": ""},
        {"country": "se"},
        {"kind": "sponsor"},
        {"website": "javascript:alert(1)"},
        {"organisation_id": "org_mine"},
    ]

    for field in wrong:
        body = {"name": "NetPort", "country": "SE", "kind": "partner", **field}
        answer = await house.coordinator.post("/organisations", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"][0]["field"] == f"body.{next(iter(field))}"
    assert (await house.coordinator.get("/organisations")).json()["items"] == []


async def test_a_person_introduces_themself_and_only_changes_are_told(house: Any) -> None:
    person = house.someone(person_id(), "enrolment.people:write")
    unknown = await person.get("/people/me")

    first = await person.put("/people/me", PROFILE)
    again = await person.put("/people/me", PROFILE)
    changed = await person.put("/people/me", {**PROFILE, "email": "ada@new.example"})

    assert unknown.status_code == 404
    assert first.json() == again.json()
    assert first.json().items() >= {**PROFILE, "person_id": person.subject}.items()
    assert (await person.get("/people/me")).json() == changed.json()

    async def told() -> list[Any]:
        events = await house.bus.published(PersonRegistered)
        return events if len(events) >= 2 else []

    events = await eventually(told)
    assert [event.data["email"] for event in events] == ["ada@cluster.example", "ada@new.example"]
    assert [event.subject for event in events] == [person.subject] * 2


async def test_a_wrong_profile_is_refused(house: Any) -> None:
    person = house.someone(person_id(), "enrolment.people:write")
    wrong = [
        {"email": "ada"},
        {"email": "ada@cluster.example\r\nBcc: all@x.example"},
        {"language": "pl"},
        {"given_name": "A\x00da"},
        {"country": "Sweden"},
        {"person_id": "per_other"},
    ]

    for field in wrong:
        answer = await person.put("/people/me", {**PROFILE, **field})
        assert answer.status_code in {400, 422}, field
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await person.get("/people/me")).status_code == 404


async def test_a_system_has_no_profile(house: Any) -> None:
    system = house.someone("partner-system", "enrolment.people:write")

    answer = await system.put("/people/me", PROFILE)

    assert (answer.status_code, answer.json()["code"]) == (403, "person_required")


async def test_erasure_empties_the_person_and_keeps_the_figures(house: Any) -> None:
    call = await house.call(seats=2)
    gone = await house.apply(call["call_id"], points=4)
    stays = await house.apply(call["call_id"], points=4)
    await house.select(call, [gone, stays])
    path = f"/people/{gone.person.subject}/erasure"

    erased = await house.coordinator.post(path, {"reason": "On request, article 17."})
    again = await house.coordinator.post(path, {"reason": "On request, article 17."})

    assert (erased.status_code, erased.json()["state"]) == (202, "erased")
    assert again.json() == erased.json()
    listed = (await house.coordinator.get(f"/calls/{call['call_id']}/applications")).json()["items"]
    emptied, kept = (item for item in listed)
    assert (emptied["motivation"], [score["comment"] for score in emptied["scores"]]) == ("", ["", ""])
    assert (kept["motivation"], kept["scores"][0]["comment"]) == ("We want to learn.", "Read.")
    assert emptied["rank"] == 1
    assert (await gone.person.get("/people/me")).status_code == 404
    back = await gone.person.put("/people/me", PROFILE)
    assert (back.status_code, back.json()["code"]) == (409, "person_erased")
    stored = [str(row) for row in await house.database.collection("people").find({"_id": gone.person.subject})]
    assert "ada@cluster.example" not in stored[0]

    async def seat_is_free() -> bool:
        told = await house.bus.published(SeatExpired)
        return [event.data["offer_id"] for event in told] == [gone.offer["offer_id"]]

    await eventually(seat_is_free)
    assert [event.data for event in await house.bus.published(PersonErased)] == [{"person_id": gone.person.subject}]


async def test_an_erased_applicant_is_not_selected(house: Any) -> None:
    call = await house.call(seats=2)
    gone, stays = await house.apply(call["call_id"], points=4), await house.apply(call["call_id"], points=1)
    await house.coordinator.post(f"/people/{gone.person.subject}/erasure", {"reason": "On request."})

    ranked = await house.select(call, [gone, stays])

    assert [line["application_id"] for line in ranked] == [stays.application["application_id"]]
    mine = (await gone.person.get("/applications/mine")).json()["items"]
    assert [item["state"] for item in mine] == ["withdrawn"]


async def test_only_a_known_person_is_erased(house: Any) -> None:
    answers = await asyncio.gather(
        house.coordinator.post(f"/people/{person_id()}/erasure", {"reason": "On request."}),
        house.coordinator.post(f"/people/{person_id()}/erasure", {}),
    )

    assert [answer.status_code for answer in answers] == [404, 422]
