"""The stage of every integration test: a running service, three institutions, a programme of two units, learners."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from assessment.app import build
from assessment.settings import Settings
from cme_contracts.curriculum import ProgrammePublished, PublishedOutcome, PublishedUnit
from cme_contracts.enrolment import AgreementApproved, LearnerEnrolled, OrganisationRegistered
from cme_kit.ids import new_id
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, running

API = "/assessment/v1"
TEXT = b"# A workshop for our members\n\nWhat we did, and what we learned.\n"
DAY = "2021-03-01"


def _unit(number: int) -> PublishedUnit:
    outcomes = [
        PublishedOutcome(
            outcome_id=new_id("out"),
            code=f"M{number}-{kind[0].upper()}",
            kind=kind,
            statement={"en": f"{kind} of module {number}"},
            required=kind != "responsibility_autonomy",
        )
        for kind in ("knowledge", "skills", "responsibility_autonomy")
    ]
    return PublishedUnit(
        unit_id=new_id("unt"),
        code=f"M{number}",
        module=number,
        title={"en": f"Module {number}"},
        points=5,
        host="Host",
        assessment_method={"en": "Practical assignment"},
        outcomes=outcomes,
    )


@dataclass(frozen=True)
class Person:
    """Somebody with a token for an organisation."""

    person_id: str
    scopes: tuple[str, ...]
    organisation_id: str | None = None


STAFF_SCOPE = "assessment.transcripts:read"
LEARNER_SCOPES = ("assessment.evidence:submit", "assessment.appeals:lodge", STAFF_SCOPE)


@dataclass
class Stage:
    """One line to be someone and to do something."""

    bus: Bus
    tokens: Tokens
    service: RunningService = field(init=False)
    host: str = field(default_factory=lambda: new_id("org"))
    school: str = field(default_factory=lambda: new_id("org"))
    home: str = field(default_factory=lambda: new_id("org"))
    outsider: str = field(default_factory=lambda: new_id("org"))
    cohort_id: str = field(default_factory=lambda: new_id("coh"))
    programme: ProgrammePublished = field(init=False)

    def __post_init__(self) -> None:
        """Name the staff and the programme."""
        self.programme = ProgrammePublished(
            programme_id=new_id("prg"),
            version=1,
            slug="cluster-manager",
            title={"en": "Cluster manager"},
            summary={"en": "A year"},
            eqf_level=6,
            points=10,
            content_hash="ab" * 32,
            published_at=datetime(2020, 8, 1, tzinfo=UTC),
            units=[_unit(1), _unit(2)],
        )
        marks = ("assessment.marks:write", STAFF_SCOPE)
        validate = ("assessment.credits:validate", STAFF_SCOPE)
        recognise = ("assessment.credits:recognise", "assessment.appeals:decide", STAFF_SCOPE)
        self.assessor = Person(new_id("per"), marks, self.host)
        self.validator = Person(new_id("per"), validate, self.school)
        self.recogniser = Person(new_id("per"), recognise, self.home)
        self.foreigner = Person(new_id("per"), (*marks, *validate, *recognise), self.outsider)
        self.coordinator = Person(new_id("per"), ("assessment.plans:write", "assessment.appeals:decide", STAFF_SCOPE))

    def headers(self, person: Person) -> dict[str, str]:
        return self.tokens.bearer(person.person_id, *person.scopes, org=person.organisation_id)

    async def call(self, person: Person, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request as somebody."""
        sent = {**self.headers(person), **{name.replace("_", "-"): value for name, value in headers.items()}}
        if isinstance(body, bytes):
            return await self.service.http.request(method, API + path, content=body, headers=sent)
        return await self.service.http.request(method, API + path, json=body, headers=sent)

    async def ok(self, person: Person, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request that has to succeed; its answer."""
        answer = await self.call(person, method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json()

    def unit(self, number: int) -> PublishedUnit:
        return self.programme.units[number - 1]

    async def publish_programme(self) -> None:
        for organisation_id in (self.host, self.school, self.home, self.outsider):
            event = OrganisationRegistered(organisation_id=organisation_id, name="One", country="SE", kind="partner")
            await self.bus.publish(organisation_id, event)
        await self.bus.publish(self.programme.programme_id, self.programme)

    async def plans(self) -> list[dict[str, Any]]:
        """The plans of the programme, once they are there."""

        async def made() -> Any:
            path = f"/plans?programme_id={self.programme.programme_id}&version=1"
            return (await self.ok(self.coordinator, "GET", path))["items"]

        return await eventually(made)

    def change_of(self, plan: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """What a coordinator sends for a plan."""
        duties = {
            "assessing_institution_id": self.host,
            "validating_institution_id": self.school,
            "recognising_institution_id": self.home,
        }
        return {"method": plan["method"], "rubric": plan["rubric"], **duties, **changed}

    async def complete_plans(self) -> None:
        """Name the institutions of every plan."""
        for plan in await self.plans():

            async def named(plan: dict[str, Any] = plan) -> bool:
                path = f"/plans/{plan['plan_id']}"
                answer = await self.call(
                    self.coordinator, "PUT", path, self.change_of(plan), If_Match=f'"{plan["revision"]}"'
                )
                return answer.status_code in (200, 412)

            await eventually(named)

    async def enrol(self, *, units: tuple[int, ...] = (1, 2)) -> tuple[Person, str]:
        """A learner with an agreement in force for some units; the person and the enrolment's id."""
        person = Person(new_id("per"), LEARNER_SCOPES)
        enrolment_id = new_id("enr")
        event = LearnerEnrolled(
            enrolment_id=enrolment_id,
            application_id=new_id("app"),
            person_id=person.person_id,
            organisation_id=new_id("org"),
            country="LT",
            call_id=new_id("call"),
            cohort_id=self.cohort_id,
            programme_id=self.programme.programme_id,
            programme_version=1,
        )
        await self.bus.publish(enrolment_id, event)
        if units:
            await self.agree(enrolment_id, units)

        async def arrived() -> bool:
            answer = await self.call(person, "GET", f"/learners/{enrolment_id}/transcript")
            return answer.status_code == 200 and (not units or answer.json()["agreement_version"] is not None)

        await eventually(arrived)
        return person, enrolment_id

    async def agree(self, enrolment_id: str, units: tuple[int, ...]) -> None:
        event = AgreementApproved(
            agreement_id=new_id("agr"),
            enrolment_id=enrolment_id,
            version=1,
            content_hash="cd" * 32,
            unit_ids=[self.unit(number).unit_id for number in units],
            home_organisation_id=self.home,
            host_organisation_id=self.host,
        )
        await self.bus.publish(event.agreement_id, event)

    def evidence(self, content: bytes = TEXT, media_type: str = "text/markdown", **changed: Any) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        return {"title": "Report", "media_type": media_type, "size": len(content), "sha256": digest, **changed}

    async def declare(self, learner: Person, enrolment_id: str, number: int, **evidence: Any) -> str:
        path = f"/learners/{enrolment_id}/units/{self.unit(number).unit_id}/submissions"
        return (await self.ok(learner, "POST", path, self.evidence(**evidence)))["submission_id"]

    async def hand_in(self, learner: Person, enrolment_id: str, number: int) -> str:
        """Complete evidence for a unit; its id."""
        submission_id = await self.declare(learner, enrolment_id, number)
        await self.ok(learner, "PUT", f"/submissions/{submission_id}/content", TEXT)
        return submission_id

    def marks(self, number: int, *levels: int) -> list[dict[str, Any]]:
        chosen = levels or (3, 3, 3)
        pairs = zip(self.unit(number).outcomes, chosen, strict=True)
        return [{"outcome_id": outcome.outcome_id, "level": level, "comment": "seen"} for outcome, level in pairs]

    def assessment(self, number: int, *levels: int, on: str = DAY) -> dict[str, Any]:
        return {"marks": self.marks(number, *levels), "feedback": "Well argued", "assessed_on": on}

    async def assess(self, submission_id: str, number: int, *levels: int) -> dict[str, Any]:
        path = f"/submissions/{submission_id}/assessment"
        return await self.ok(self.assessor, "POST", path, self.assessment(number, *levels))

    async def assessed(self, learner: Person, enrolment_id: str, number: int, *levels: int) -> dict[str, Any]:
        """The credit of a unit that was handed in and marked."""
        submission_id = await self.hand_in(learner, enrolment_id, number)
        return await self.assess(submission_id, number, *levels)

    async def validate(self, credit_id: str) -> dict[str, Any]:
        body = {"validated_on": DAY, "statement": "They match"}
        return await self.ok(self.validator, "POST", f"/credits/{credit_id}/validation", body)

    async def recognise(self, credit_id: str, on: str = DAY) -> dict[str, Any]:
        return await self.ok(self.recogniser, "POST", f"/credits/{credit_id}/recognition", {"recognised_on": on})

    async def validated(self, learner: Person, enrolment_id: str, number: int) -> dict[str, Any]:
        """The credit of a unit that is ready to be recognised."""
        credit = await self.assessed(learner, enrolment_id, number)
        return await self.validate(credit["credit_id"])


def today() -> date:
    return datetime.now(UTC).date()


async def _stage(engines: Engines, bus: Bus, tokens: Tokens, driver: str) -> AsyncIterator[Stage]:
    stage = Stage(bus, tokens)
    # Before the service starts, so that the streams it consumes are there when it looks for them.
    await stage.publish_programme()
    async with running(build(engines.settings(Settings, mongo_driver=driver)), tokens) as stage.service:
        await stage.complete_plans()
        yield stage


@pytest.fixture
async def stage(engines: Engines, bus: Bus, tokens: Tokens) -> AsyncIterator[Stage]:
    async for made in _stage(engines, bus, tokens, "motor"):
        yield made


@pytest.fixture(params=["motor", "pymongo"])
async def either_driver(
    request: pytest.FixtureRequest, engines: Engines, bus: Bus, tokens: Tokens
) -> AsyncIterator[Stage]:
    async for made in _stage(engines, bus, tokens, request.param):
        yield made
