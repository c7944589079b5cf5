"""An achievement in our own terms and as Open Badges 3.0 writes it."""

from __future__ import annotations

import csv
from enum import StrEnum
from functools import cache
from importlib.resources import files

from cme_contracts.curriculum import ProgrammePublished, PublishedOutcome, PublishedUnit
from pydantic import BaseModel, ConfigDict

from credentials.jsonld.domain import Json


class Kind(StrEnum):
    """What a badge is given for."""

    UNIT = "unit"
    PROGRAMME = "programme"


class Achievement(BaseModel):
    """One achievement, with the published facts it is made of."""

    model_config = ConfigDict(frozen=True)

    achievement_id: str
    kind: Kind
    programme_id: str
    programme_version: int
    programme_title: dict[str, str]
    programme_points: int
    summary: dict[str, str]
    eqf_level: int
    units: list[PublishedUnit]
    modules: int

    @property
    def unit(self) -> PublishedUnit | None:
        """The unit of a unit's achievement."""
        return self.units[0] if self.kind is Kind.UNIT else None

    @property
    def title(self) -> dict[str, str]:
        """What the badge is called, by language."""
        return self.unit.title if self.unit else self.programme_title

    @property
    def points(self) -> int:
        """ECVET points."""
        return self.unit.points if self.unit else self.programme_points


def achievements_of(event: ProgrammePublished, ids: list[str]) -> list[Achievement]:
    """The achievements of a programme version: its units in their order, then the whole; `ids` in the same order."""

    def make(achievement_id: str, kind: Kind, units: list[PublishedUnit]) -> Achievement:
        return Achievement(
            achievement_id=achievement_id,
            kind=kind,
            programme_id=event.programme_id,
            programme_version=event.version,
            programme_title=event.title,
            programme_points=event.points,
            summary=event.summary,
            eqf_level=event.eqf_level,
            units=units,
            modules=len(event.units),
        )

    *unit_ids, programme_id = ids
    units = [make(new, Kind.UNIT, [unit]) for new, unit in zip(unit_ids, event.units, strict=True)]
    return [*units, make(programme_id, Kind.PROGRAMME, event.units)]


def english(texts: dict[str, str]) -> str:
    """The English text: a credential is signed in one language, which its `inLanguage` names."""
    return texts.get("en") or next(iter(texts.values()), "")


def achievement_url(public_url: str, achievement_id: str) -> str:
    """The address of an achievement, which is its id."""
    return f"{public_url}/credentials/v1/achievements/{achievement_id}"


def result_id(public_url: str, achievement_id: str, outcome_or_unit_id: str) -> str:
    """The id of a result description within an achievement."""
    return f"{achievement_url(public_url, achievement_id)}#{outcome_or_unit_id}"


def achievement_document(public_url: str, achievement: Achievement) -> Json:
    """The Achievement of Open Badges 3.0 (section B.1.1): criteria, alignments, credits, one result per outcome."""
    url = achievement_url(public_url, achievement.achievement_id)
    unit = achievement.unit
    return {
        "id": url,
        "type": ["Achievement"],
        "achievementType": "MicroCredential" if unit else "CertificateOfCompletion",
        "name": english(achievement.title),
        "description": _description(achievement),
        "inLanguage": "en",
        "humanCode": unit.code if unit else "CME",
        "version": str(achievement.programme_version),
        "criteria": {"narrative": _criteria(achievement)},
        "image": {"id": f"{url}/image.svg", "type": "Image", "caption": f"Badge: {english(achievement.title)}"},
        "creditsAvailable": achievement.points,
        "alignment": [_eqf_alignment(achievement.eqf_level), *_esco_alignments(achievement)],
        "resultDescription": [
            {
                "id": result_id(public_url, achievement.achievement_id, described_id),
                "type": ["ResultDescription"],
                "name": name,
                "resultType": "Status",
            }
            for described_id, name in _described(achievement)
        ],
    }


def _description(achievement: Achievement) -> str:
    if achievement.unit is None:
        return english(achievement.summary)
    unit = achievement.unit
    programme = english(achievement.programme_title)
    return (
        f"Module {unit.module} of {achievement.modules} of {programme}, hosted by {unit.host}: "
        f"{unit.points} of {achievement.programme_points} ECVET points."
    )


def _criteria(achievement: Achievement) -> str:
    if achievement.unit is None:
        units = "\n".join(f"- {english(unit.title)} ({unit.points} ECVET points)" for unit in achievement.units)
        return f"Every unit was assessed, validated and recognised:\n\n{units}"
    unit = achievement.unit
    outcomes = "\n".join(f"- {english(outcome.statement)}" for outcome in unit.outcomes if outcome.required)
    method = english(unit.assessment_method)
    return f"{method}\n\nThese learning outcomes were assessed, validated and recognised:\n\n{outcomes}"


def _described(achievement: Achievement) -> list[tuple[str, str]]:
    if achievement.unit is None:
        return [(unit.unit_id, english(unit.title)) for unit in achievement.units]
    return [(outcome.outcome_id, english(outcome.statement)) for outcome in achievement.unit.outcomes]


def _eqf_alignment(level: int) -> Json:
    return {
        "type": ["Alignment"],
        "targetName": f"EQF level {level}",
        "targetUrl": f"http://data.europa.eu/snb/eqf/{level}",
        "targetFramework": "European Qualifications Framework",
        "targetCode": str(level),
    }


def _esco_alignments(achievement: Achievement) -> list[Json]:
    # Several outcomes may map to one skill; it is named once.
    skills: dict[str, PublishedOutcome] = {}
    for unit in achievement.units:
        for outcome in unit.outcomes:
            for uri in outcome.esco_uris:
                skills.setdefault(uri, outcome)
    return [
        {
            "type": ["Alignment"],
            "targetName": _esco_labels().get(uri) or english(outcome.statement),
            "targetUrl": uri,
            "targetFramework": "ESCO",
            "targetType": "ceasn:Competency",
        }
        for uri, outcome in skills.items()
    ]


@cache
def _esco_labels() -> dict[str, str]:
    """Preferred labels of the ESCO skills that profiles use (European Commission, ESCO v1.2)."""
    text = (files(__package__) / "esco-skills.csv").read_text(encoding="utf-8")
    return {row["uri"]: row["preferred_label_en"] for row in csv.DictReader(text.splitlines())}
