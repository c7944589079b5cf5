"""One line to be someone, and a programme year's steps as a test needs them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cme_contracts.curriculum import ProgrammePublished, PublishedUnit
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, person_id, running
from enrolment.app import build
from enrolment.applications.domain import Application, Cluster, Score, check_eligibility
from enrolment.applications.repository import ApplicationRepository
from enrolment.settings import Settings

COORDINATOR = (
    "enrolment.organisations:write",
    "enrolment.calls:write",
    "enrolment.applications:read",
    "enrolment.selection:write",
    "enrolment.agreements:write",
    "enrolment.learners:read",
    "enrolment.learners:write",
    "enrolment.people:erase",
    "enrolment.organisations:read",
    "operations:read",
)
APPLICANT = (
    "enrolment.people:write",
    "enrolment.applications:submit",
    "enrolment.offers:answer",
    "enrolment.agreements:approve",
    "enrolment.organisations:read",
)
READER = ("enrolment.people:write", "enrolment.applications:read", "enrolment.applications:score")
SIGNATORY = ("enrolment.people:write", "enrolment.agreements:approve")
API = "/enrolment/v1"
ELIGIBLE = {"management_fte": 1.5, "members": 40, "member_types": ["company", "research"]}


def moment(**from_now: float) -> str:
    return (datetime.now(UTC) + timedelta(**from_now)).isoformat()


@dataclass
class Someone:
    """A caller of the API."""

    http: httpx.AsyncClient
    subject: str
    headers: dict[str, str]

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(API + path, headers=self.headers, **options)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(API + path, json=body, headers={**self.headers, **headers})

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.put(API + path, json=body, headers={**self.headers, **headers})

    async def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.patch(API + path, json=body, headers={**self.headers, **headers})


@dataclass
class Applied:
    """An applicant with their application and, later, their offer."""

    person: Someone
    application: dict[str, Any]
    country: str
    offer: dict[str, Any] = field(default_factory=dict)


class House:
    """The running service, and who may do what with it."""

    def __init__(self, service: RunningService, bus: Bus, tokens: Tokens) -> None:
        self.service = service
        self.bus = bus
        self.tokens = tokens
        self.coordinator = self.someone("coordinator-app", *COORDINATOR)
        self.programme_id = new_id("prg")
        self.unit_ids = [new_id("unt"), new_id("unt")]

    @property
    def database(self) -> Any:
        return self.service.app.state.platform.database

    def someone(self, subject: str, *scopes: str, org: str | None = None) -> Someone:
        return Someone(self.service.http, subject, self.tokens.bearer(subject, *scopes, org=org))

    def nobody(self) -> Someone:
        return Someone(self.service.http, "", {})

    def reader(self, org: str | None = None) -> Someone:
        return self.someone(person_id(), *READER, org=org)

    def signatory(self, org: str) -> Someone:
        return self.someone(person_id(), *SIGNATORY, org=org)

    def published(self, version: int = 1) -> ProgrammePublished:
        units = [
            PublishedUnit(
                unit_id=unit_id,
                code=f"M{module}",
                module=module,
                title={"en": f"Module {module}"},
                points=10,
                host="Vaasa",
                assessment_method={"en": "Project"},
                outcomes=[],
            )
            for module, unit_id in enumerate(self.unit_ids, start=1)
        ]
        return ProgrammePublished(
            programme_id=self.programme_id,
            version=version,
            slug="cluster-manager",
            title={"en": "Cluster manager"},
            summary={"en": "One year"},
            eqf_level=6,
            points=20,
            content_hash="0" * 64,
            published_at=datetime.now(UTC),
            units=units,
        )

    async def knows_programme(self) -> None:
        await self.bus.publish(self.programme_id, self.published())

        async def known() -> Any:
            return await self.database.collection("programmes").find_one({})

        await eventually(known)

    def new_call(self, **fields: Any) -> dict[str, Any]:
        return {
            "title": {"en": "First call"},
            "programme_id": self.programme_id,
            "programme_version": 1,
            "seats": 2,
            "over_offer": 0,
            "opens_at": moment(hours=-1),
            "closes_at": moment(hours=1),
            "quotas": [],
            **fields,
        }

    async def call(self, **fields: Any) -> dict[str, Any]:
        answer = await self.coordinator.post("/calls", self.new_call(**fields))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def organisation(self, name: str = "Cluster", country: str = "SE", kind: str = "cluster") -> str:
        body = {"name": f"{name} {new_id('x')}", "country": country, "kind": kind}
        answer = await self.coordinator.post("/organisations", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["organisation_id"])

    async def applicant(self) -> Someone:
        person = self.someone(person_id(), *APPLICANT)
        body = {
            "given_name": "Ada",
            "family_name": "Berg",
            "email": "ada@cluster.example",
            "language": "sv",
            "country": "SE",
        }
        assert (await person.put("/people/me", body)).status_code == 200
        return person

    def application(self, organisation_id: str, **fields: Any) -> dict[str, Any]:
        return {
            "organisation_id": organisation_id,
            "country": "SE",
            "motivation": "We want to learn.",
            "employer_support": True,
            "cluster": ELIGIBLE,
            **fields,
        }

    async def apply(self, call_id: str, country: str = "SE", points: int | None = None, **fields: Any) -> Applied:
        """An application; with `points` (0 to 5 for each question of both readers) it is read as well."""
        organisation_id = await self.organisation(country=country)
        person = await self.applicant()
        body = self.application(organisation_id, country=country, **fields)
        answer = await person.post(f"/calls/{call_id}/applications", body)
        assert answer.status_code == 201, answer.text
        application = answer.json()
        if points is not None:
            for reader in (self.reader(), self.reader()):
                scored = await self.score(application["application_id"], reader, points)
                assert scored.status_code == 201, scored.text
        return Applied(person, application, country)

    async def seed(self, call: dict[str, Any], *read: tuple[str, int]) -> list[Applied]:
        """Read applications of (country, points of 30), stored directly: for tests of what comes after."""
        platform = self.service.app.state.platform
        repository = ApplicationRepository(platform.database)
        applications = [_read_application(call["call_id"], country, points) for country, points in read]

        async def store(tx: Transaction) -> None:
            for application in applications:
                assert await repository.add(application, tx.session)

        await platform.outbox.transaction(store)
        return [
            Applied(self.someone(one.person_id, *APPLICANT), one.model_dump(mode="json"), one.country)
            for one in applications
        ]

    async def score(self, application_id: str, reader: Someone, points: int) -> httpx.Response:
        body = {"motivation": points, "experience": points, "impact": points, "comment": "Read."}
        return await reader.post(f"/applications/{application_id}/scores", body)

    async def close(self, call: dict[str, Any]) -> None:
        body = {"closes_at": moment(seconds=-1)}
        answer = await self.coordinator.patch(
            f"/calls/{call['call_id']}", body, **{"If-Match": f'"{call["revision"]}"'}
        )
        assert answer.status_code == 200, answer.text

    async def select(self, call: dict[str, Any], applied: list[Applied], **within: float) -> list[dict[str, Any]]:
        """Close the call and select; every offered applicant then knows their offer."""
        await self.close(call)
        body = {"answer_by": moment(**(within or {"hours": 1}))}
        answer = await self.coordinator.post(f"/calls/{call['call_id']}/selection", body)
        assert answer.status_code == 201, answer.text
        await self.find_offers(call, applied)
        return list(answer.json()["ranked"])

    async def find_offers(self, call: dict[str, Any], applied: list[Applied]) -> None:
        listed = (await self.coordinator.get(f"/calls/{call['call_id']}/selection")).json()["ranked"]
        offer_ids = {line["application_id"]: line["offer_id"] for line in listed if line["offer_id"]}
        for one in applied:
            if offer_id := offer_ids.get(one.application["application_id"]):
                one.offer = (await one.person.get(f"/offers/{offer_id}")).json()

    async def accept(self, applied: Applied, **headers: str) -> httpx.Response:
        return await applied.person.post(f"/offers/{applied.offer['offer_id']}/acceptance", **headers)

    async def seats(self, call: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.nobody().get(f"/calls/{call['call_id']}")).json())

    async def learner(self, **call_fields: Any) -> tuple[Someone, dict[str, Any]]:
        """A person with a seat, and their enrolment."""
        call = await self.call(**call_fields)
        [applied] = await self.seed(call, ("SE", 24))
        await self.select(call, [applied])
        enrolment_id = (await self.accept(applied)).json()["enrolment_id"]
        return applied.person, (await applied.person.get(f"/learners/{enrolment_id}")).json()


def _read_application(call_id: str, country: str, points: int) -> Application:
    now = datetime.now(UTC)
    cluster = Cluster(**ELIGIBLE)
    scores = [
        Score(
            score_id=new_id("scr"),
            reader_id=person_id(),
            motivation=0,
            experience=0,
            impact=0,
            comment="Read.",
            total=total,
            scored_at=now,
        )
        for total in (points // 2, points - points // 2)
    ]
    return Application(
        application_id=new_id("app"),
        call_id=call_id,
        person_id=person_id(),
        organisation_id=new_id("org"),
        country=country,
        motivation="We want to learn.",
        employer_support=True,
        cluster=cluster,
        eligibility=check_eligibility(cluster),
        submitted_at=now,
        scores=scores,
    )


@pytest.fixture
def driver() -> str:
    """The named driver; the rules that lean most on the database are tested on both."""
    return "motor"


@pytest.fixture
async def house(driver: str, engines: Engines, bus: Bus, tokens: Tokens) -> AsyncIterator[House]:
    settings = engines.settings(Settings, mongo_driver=driver, offer_sweep_seconds=0.05)
    async with running(build(settings), tokens) as service:
        house = House(service, bus, tokens)
        await house.knows_programme()
        yield house
