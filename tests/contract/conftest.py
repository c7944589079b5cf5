"""Credentials made by the service's own code in this process, laid out for other software to verify."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cme_contracts.curriculum import ProgrammePublished, PublishedOutcome, PublishedUnit
from cme_kit.clock import SystemClock
from cme_kit.ids import new_id
from credentials.achievements.domain import Achievement, achievements_of
from credentials.awards.domain import Act, Attestation, compose_credential, identifiers
from credentials.badges.domain import bake, draw
from credentials.badges.service import badge_of
from credentials.jsonld.domain import context_file, pinned_contexts
from credentials.keys.domain import KeyFileSigner
from credentials.keys.service import Issuer
from credentials.status.domain import status_credential
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gateway.app import build
from gateway.reference.document import ApiDocument
from gateway.settings import Settings

ISSUER = "https://api.clustereducation.example"
PUBLIC_URL = "http://127.0.0.1:8800"
EMAIL = "ieva@cluster.example"
REVOKED_INDEX = 90_001


class KeysInMemory:
    """The key repository without a database."""

    def __init__(self) -> None:
        self._keys: list[str] = []

    async def add(self, multikey: str, added_at: datetime) -> None:
        self._keys.append(multikey)

    async def all(self) -> list[str]:
        return self._keys


def published() -> ProgrammePublished:
    outcomes = [
        PublishedOutcome(
            outcome_id=new_id("out"),
            code=f"M1-{kind[0].upper()}1",
            kind=kind,
            statement={"en": f"Leads the “building” of trust: {kind}\nacross borders, Vilniaus ąžuolas & Ä"},
            required=True,
            esco_uris=["http://data.europa.eu/esco/skill/bf5d77ad-e18c-48d8-83f0-bc79c011c74a"],
        )
        for kind in ("knowledge", "skills", "responsibility_autonomy")
    ]
    unit = PublishedUnit(
        unit_id=new_id("unt"),
        code="M1",
        module=1,
        title={"en": "Collaboration & Leadership"},
        points=5,
        host="Hyper Island",
        assessment_method={"en": "Facilitated workshop and peer assessment"},
        outcomes=outcomes,
    )
    return ProgrammePublished(
        programme_id=new_id("prg"),
        version=2,
        slug="cluster-manager",
        title={"en": "Cluster Manager"},
        summary={"en": "One year, four modules, twenty points."},
        eqf_level=6,
        points=20,
        content_hash="0" * 64,
        published_at=datetime(2026, 6, 12, tzinfo=UTC),
        units=[unit, *(unit.model_copy(update={"unit_id": new_id("unt"), "module": n}) for n in (2, 3, 4))],
    )


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The document that a gateway at ISSUER serves; building it connects to nothing."""
    nowhere: dict[str, Any] = {"public_url": ISSUER, "upstreams": {}, "signing_keys_dir": Path("/nowhere")}
    required = [name for name, field in Settings.model_fields.items() if field.is_required() and name not in nowhere]
    settings = Settings.model_validate(nowhere | dict.fromkeys(required, "mongodb://cme.example"))
    return ApiDocument.merged(build(settings).own, ISSUER).document


@dataclass
class Workshop:
    """Issues credentials as the service does."""

    issuer: Issuer
    folder: Path

    async def credential(self, name: str, achievement: Achievement, index: int) -> dict[str, Any]:
        organisation = new_id("org")
        acts = [
            Act(step=step, institution_id=organisation, on=date(2026, 11, 20)) for step in ("Assessed", "Validated")
        ]
        unit = achievement.unit
        achieved = [o.outcome_id for o in unit.outcomes] if unit else [u.unit_id for u in achievement.units]
        now = datetime.now(UTC)
        document = compose_credential(
            PUBLIC_URL,
            self.issuer.profile,
            new_id("cred"),
            achievement,
            Attestation(points=achievement.points, achieved_ids=achieved, acts=acts, attested_on=date(2026, 11, 20)),
            identifiers(new_id("per"), EMAIL, "0f" * 16),
            {organisation: "Kaunas University of Technology"},
            (1, index),
            now,
        )
        signed = await self.issuer.sign(document, self.issuer.canonical(document), now)
        self.write(f"credentials/{name}.json", signed)
        drawing = draw(badge_of(achievement, "2026–27"))
        (self.folder / "images" / f"{name}.svg").write_text(bake(drawing, signed), encoding="utf-8")
        return signed

    async def status_list(self, *revoked: int) -> None:
        now = datetime.now(UTC)
        document = status_credential(PUBLIC_URL, self.issuer.did, 1, revoked, now)
        self.write("status/1.json", await self.issuer.sign(document, self.issuer.canonical(document), now))

    def write(self, path: str, document: Any) -> None:
        (self.folder / path).write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
async def workshop(tmp_path: Path) -> Workshop:
    """A folder with the contexts, the DID document, a status list, and a unit, a programme and a revoked credential."""
    key = tmp_path / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys: Any = KeysInMemory()
    issuer = Issuer(PUBLIC_URL, KeyFileSigner(key), keys, SystemClock())
    await issuer.publish_key()
    folder = tmp_path / "badges"
    for name in ("contexts", "status", "credentials", "images"):
        (folder / name).mkdir(parents=True)
    made = Workshop(issuer, folder)
    index = {url: f"{number}.json" for number, url in enumerate(pinned_contexts())}
    made.write("contexts/index.json", index)
    for url, file in index.items():
        (folder / "contexts" / file).write_bytes(context_file(url))
    made.write("did.json", await issuer.did_document())
    programme = published()
    achievements = achievements_of(programme, [new_id("ach") for _ in range(5)])
    await made.credential("unit", achievements[0], 4_711)
    await made.credential("programme", achievements[4], 131_071)
    await made.credential("revoked", achievements[1], REVOKED_INDEX)
    await made.status_list(REVOKED_INDEX)
    return made
