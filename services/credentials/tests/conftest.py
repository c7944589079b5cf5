"""What the tests of credentials share: a key, a published programme, and the other services' events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cme_contracts.assessment import CreditAct, CreditRecognised, ProgrammeCompleted
from cme_contracts.curriculum import ProgrammePublished, PublishedOutcome, PublishedUnit
from cme_contracts.enrolment import OrganisationRegistered, PersonRegistered
from cme_kit.ids import new_id
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, running
from credentials.achievements.domain import achievements_of
from credentials.app import build
from credentials.awards.domain import Act, Attestation, compose_credential, identifiers
from credentials.settings import Settings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

READ, REVOKE = "credentials.awards:read", "credentials.awards:revoke"


def new_key(path: Path) -> Path:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key.pem")


def outcome(code: str, kind: str = "skills", *, required: bool = True) -> PublishedOutcome:
    return PublishedOutcome(
        outcome_id=new_id("out"),
        code=code,
        kind=kind,
        statement={"en": f"Facilitates a workshop <{code}> & builds trust", "lt": f"Veda dirbtuves {code}"},
        required=required,
        esco_uris=["http://data.europa.eu/esco/skill/bf5d77ad-e18c-48d8-83f0-bc79c011c74a"],
    )


def programme() -> ProgrammePublished:
    titles = ["Collaboration & Leadership", "Build a cluster strategy", "Digital solutions", "Scouting for Innovation"]
    units = [
        PublishedUnit(
            unit_id=new_id("unt"),
            code=f"M{number}",
            module=number,
            title={"en": title, "sv": f"Modul {number}"},
            points=5,
            host="Hyper Island",
            assessment_method={"en": "Facilitated workshop and peer assessment"},
            outcomes=[outcome(f"M{number}-S1"), outcome(f"M{number}-K1", "knowledge", required=False)],
        )
        for number, title in enumerate(titles, 1)
    ]
    return ProgrammePublished(
        programme_id=new_id("prg"),
        version=1,
        slug="cluster-manager",
        title={"en": "Cluster Manager"},
        summary={"en": "One year, four modules, twenty points."},
        eqf_level=6,
        points=20,
        content_hash="0" * 64,
        published_at=datetime(2026, 6, 12, tzinfo=UTC),
        units=units,
    )


@pytest.fixture
def published() -> ProgrammePublished:
    return programme()


@pytest.fixture
def unsigned(published: ProgrammePublished) -> dict[str, Any]:
    """A credential as it is composed, at place 4711 of list 1."""
    achievement = achievements_of(published, [f"ach_{n}" for n in range(5)])[0]
    attestation = Attestation(
        points=5,
        achieved_ids=[outcome.outcome_id for outcome in published.units[0].outcomes],
        acts=[Act(step="Assessed", institution_id="org_1", on=date(2026, 11, 20))],
        attested_on=date(2026, 11, 20),
    )
    return compose_credential(
        "http://gateway.test",
        {"id": "did:web:gateway.test", "type": ["Profile"], "name": "CME"},
        "cred_1",
        achievement,
        attestation,
        identifiers("per_1", "a@b.example", "5a17"),
        {"org_1": "Näringsliv “Ö”\n\t\\"},
        (1, 4711),
        datetime(2026, 11, 23, 15, 42, 7, tzinfo=UTC),
    )


@dataclass
class World:
    """The other services, as far as credentials hears of them."""

    bus: Bus
    service: RunningService
    tokens: Tokens
    programme: ProgrammePublished = field(default_factory=programme)
    organisation_id: str = field(default_factory=lambda: new_id("org"))

    async def open(self) -> None:
        await self.bus.publish(self.programme.programme_id, self.programme)
        organisation = OrganisationRegistered(
            organisation_id=self.organisation_id, name="NetPort Science Park", country="SE", kind="partner"
        )
        await self.bus.publish(self.organisation_id, organisation)

    async def person(self) -> str:
        person_id = new_id("per")
        event = PersonRegistered(
            person_id=person_id,
            given_name="Ieva",
            family_name="Petrauskaitė",
            email="ieva@cluster.example",
            language="lt",
        )
        await self.bus.publish(person_id, event)
        return person_id

    def recognised(self, person_id: str, enrolment_id: str, unit: int = 0) -> CreditRecognised:
        published = self.programme.units[unit]
        act = CreditAct(actor_id=new_id("per"), institution_id=self.organisation_id, on=date(2026, 11, 20))
        return CreditRecognised(
            credit_id=new_id("crd"),
            enrolment_id=enrolment_id,
            person_id=person_id,
            programme_id=self.programme.programme_id,
            programme_version=1,
            unit_id=published.unit_id,
            points=5,
            achieved_outcome_ids=[published.outcomes[0].outcome_id],
            assessed=act,
            validated=act,
            recognised=act,
        )

    def completed(self, person_id: str, enrolment_id: str) -> ProgrammeCompleted:
        return ProgrammeCompleted(
            enrolment_id=enrolment_id,
            person_id=person_id,
            programme_id=self.programme.programme_id,
            programme_version=1,
            points=20,
            credit_ids=[new_id("crd") for _ in range(4)],
            completed_on=date(2027, 8, 20),
        )

    def staff(self) -> dict[str, str]:
        return self.tokens.bearer("coordinator", READ, REVOKE)

    async def awards(self, **query: str) -> list[dict]:
        answer = await self.service.http.get("/credentials/v1/awards", params=query, headers=self.staff())
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def issued(self, count: int = 1, **query: str) -> list[dict]:
        """The awards once `count` of them are issued."""

        async def all_issued() -> list[dict]:
            awards = await self.awards(**query)
            done = len(awards) == count and all(award["state"] == "issued" for award in awards)
            return awards if done else []

        return await eventually(all_issued, seconds=30)

    async def award(self) -> dict:
        """One unit award, issued."""
        person_id, enrolment_id = await self.person(), new_id("enr")
        event = self.recognised(person_id, enrolment_id)
        await self.bus.publish(event.credit_id, event)
        [award] = await self.issued(1, person_id=person_id)
        return award

    async def revoke(self, award: dict, **headers: str) -> dict:
        answer = await self.service.http.post(
            f"/credentials/v1/awards/{award['award_id']}/revocation",
            json={"reason": "The result was amended after an appeal"},
            headers={**self.staff(), **headers},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def signed(self, award: dict) -> dict:
        path = award["url"].removeprefix("http://gateway.test")
        answer = await self.service.http.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def verify(self, credential: dict) -> dict:
        answer = await self.service.http.post("/credentials/v1/verification", json={"credential": credential})
        assert answer.status_code == 200, answer.text
        return answer.json()

    @staticmethod
    def results(verification: dict) -> dict[str, str]:
        return {check["check"]: check["result"] for check in verification["checks"]}


@pytest.fixture
def world_on(bus: Bus, tokens: Tokens) -> Callable[[RunningService], World]:
    return lambda service: World(bus, service, tokens)


@pytest.fixture
def other_key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "other.pem")


@pytest.fixture
async def world(engines: Engines, bus: Bus, tokens: Tokens, key_file: Path) -> AsyncIterator[World]:
    settings = engines.settings(Settings, signing_key_file=key_file)
    async with running(build(settings), tokens) as service:
        world = World(bus, service, tokens)
        await world.open()
        yield world
