"""From recognised credit to a public, valid badge; exactly one, whatever is redelivered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cme_contracts.credentials import CredentialIssued
from cme_contracts.enrolment import PersonErased
from cme_kit.ids import new_id
from cme_kit.testing import Engines, Tokens, eventually, running
from credentials.app import build
from credentials.settings import Settings


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_recognised_credit_becomes_one_valid_badge(
    engines: Engines, tokens: Tokens, key_file: Path, world_on: Any, driver: str
) -> None:
    settings = engines.settings(Settings, signing_key_file=key_file, mongo_driver=driver)
    async with running(build(settings), tokens) as service:
        world = world_on(service)
        await world.open()
        award = await world.award()
        signed = await world.signed(award)
        verification = await world.verify(signed)

    assert (award["kind"], award["edition"], award["state"]) == ("unit", 1, "issued")
    assert award["url"] == f"http://gateway.test/badges/{award['credential_id']}" == signed["id"]
    assert verification["verified"], verification
    assert set(world.results(verification).values()) == {"passed"}


async def test_the_credential_says_what_was_achieved_and_names_nobody(world: Any) -> None:
    award = await world.award()

    signed = await world.signed(award)

    subject = signed["credentialSubject"]
    achievement = subject["achievement"]
    assert signed["issuer"]["id"] == "did:web:gateway.test"
    assert achievement["creditsAvailable"] == subject["creditsEarned"] == 5
    assert [a["targetFramework"] for a in achievement["alignment"]] == ["European Qualifications Framework", "ESCO"]
    assert achievement["alignment"][1]["targetName"] == "develop professional network"
    assert [result["status"] for result in subject["result"]] == ["Completed"]
    assert subject["result"][0]["resultDescription"] in {d["id"] for d in achievement["resultDescription"]}
    assert next(e["narrative"] for e in signed["evidence"]) == "Assessed on 2026-11-20 by NetPort Science Park."
    assert {i["identityType"] for i in subject["identifier"]} == {"emailAddress", "systemId"}
    assert not any(word in str(signed) for word in ["Ieva", "Petrauskaitė", "ieva@"])


async def test_a_completed_programme_becomes_a_programme_badge(world: Any) -> None:
    person_id, enrolment_id = await world.person(), new_id("enr")
    event = world.completed(person_id, enrolment_id)

    await world.bus.publish(enrolment_id, event)
    [award] = await world.issued(kind="programme")

    signed = await world.signed(award)
    assert (award["unit_id"], signed["credentialSubject"]["creditsEarned"]) == (None, 20)
    assert len(signed["credentialSubject"]["result"]) == 4
    assert (await world.verify(signed))["verified"]


async def test_events_that_come_again_or_twice_make_no_second_credential(world: Any) -> None:
    person_id, enrolment_id = await world.person(), new_id("enr")
    event = world.recognised(person_id, enrolment_id)
    first = await world.bus.publish(event.credit_id, event)
    await world.bus.publish(event.credit_id, event, event_id=str(first.id))
    await world.bus.publish(event.credit_id, event)
    await world.bus.publish("another-credit", event)

    await world.issued(1, person_id=person_id)
    await asyncio.sleep(0.5)

    assert len(await world.awards(person_id=person_id)) == 1
    assert len(await world.bus.published(CredentialIssued)) == 1


async def test_credit_that_arrives_before_its_programme_and_person_waits_for_them(
    engines: Engines, tokens: Tokens, key_file: Path, world_on: Any
) -> None:
    async with running(build(engines.settings(Settings, signing_key_file=key_file)), tokens) as service:
        world = world_on(service)
        event = world.recognised(new_id("per"), new_id("enr"))
        person_id = await world.person()
        event = event.model_copy(update={"person_id": person_id})
        await world.bus.publish(event.credit_id, event)
        await asyncio.sleep(0.3)
        assert await world.awards() == []

        await world.open()

        await world.issued(1, person_id=person_id)


async def test_an_erased_person_gets_a_badge_without_a_hash_of_an_address(world: Any) -> None:
    person_id = await world.person()
    await world.bus.publish(person_id, PersonErased(person_id=person_id))

    async def erased() -> bool:
        rows = world.service.app.state.platform.database.collection("people")
        return (await rows.find_one({"_id": person_id}) or {}).get("erased", False)

    await eventually(erased)
    event = world.recognised(person_id, new_id("enr"))
    await world.bus.publish(event.credit_id, event)
    [award] = await world.issued(1, person_id=person_id)

    identifiers = (await world.signed(award))["credentialSubject"]["identifier"]
    assert [i["identityType"] for i in identifiers] == ["systemId"]


async def test_many_awards_at_once_are_all_issued_at_different_places(world: Any) -> None:
    person_id = await world.person()
    for number in range(24):
        event = world.recognised(person_id, f"enr_{number}", number % 4)
        await world.bus.publish(event.credit_id, event)

    await world.issued(24, person_id=person_id)

    rows = world.service.app.state.platform.database.collection("credentials")
    found = await rows.find({}, fields=["status_index", "pending"])
    assert len({row["status_index"] for row in found}) == 24
    assert len(await world.bus.published(CredentialIssued)) == 24


@pytest.mark.parametrize("crashed_after", ["intent", "signed"])
async def test_what_a_crash_left_is_finished_with_the_same_bytes(world: Any, crashed_after: str) -> None:
    award = await world.award()
    before = await world.signed(award)
    database = world.service.app.state.platform.database
    undo: dict = {"$set": {"state": crashed_after, "pending": True}, "$unset": {"issued_at": ""}}
    if crashed_after == "intent":
        undo["$unset"]["signed"] = ""
    await database.collection("awards").update({"_id": award["award_id"]}, {"$set": {"state": "pending"}})
    await database.collection("credentials").update({"_id": award["credential_id"]}, undo)

    [again] = await world.issued(1, person_id=award["person_id"])

    assert await world.signed(again) == before


async def test_an_intent_whose_document_was_altered_is_never_issued_and_stops_no_other(world: Any) -> None:
    award = await world.award()
    database = world.service.app.state.platform.database
    row = await database.collection("credentials").find_one({"_id": award["credential_id"]})
    altered = row["document"].replace("5", "6")
    await database.collection("awards").update({"_id": award["award_id"]}, {"$set": {"state": "pending"}})
    change = {"$set": {"state": "intent", "pending": True, "document": altered}, "$unset": {"signed": ""}}
    await database.collection("credentials").update({"_id": award["credential_id"]}, change)

    await world.award()
    await asyncio.sleep(1.2)

    [stuck] = await world.awards(person_id=award["person_id"])
    assert stuck["state"] == "pending"
    assert (await world.service.http.get(f"/badges/{award['credential_id']}")).status_code == 404


async def test_after_a_rotation_old_badges_verify_and_new_ones_are_signed_with_the_new_key(
    engines: Engines, tokens: Tokens, key_file: Path, other_key: Path, world_on: Any
) -> None:
    async with running(build(engines.settings(Settings, signing_key_file=key_file)), tokens) as service:
        world = world_on(service)
        await world.open()
        old = await world.signed(await world.award())
    async with running(build(engines.settings(Settings, signing_key_file=other_key)), tokens) as service:
        world.service = service
        new = await world.signed(await world.award())
        document = (await service.http.get("/.well-known/did.json")).json()

        assert (await world.verify(old))["verified"]
        assert (await world.verify(new))["verified"]
    methods = [old["proof"]["verificationMethod"], new["proof"]["verificationMethod"]]
    assert methods[0] != methods[1]
    assert document["assertionMethod"] == methods
    assert document["id"] == "did:web:gateway.test"
