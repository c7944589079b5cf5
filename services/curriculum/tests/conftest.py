"""A programme as its authors would write it, for unit and integration tests alike."""

from copy import deepcopy
from typing import Any

import pytest
from curriculum.profiles.repository import load_skills

SKILLS = list(load_skills())


def _unit(module: int, title: str, host: str) -> dict[str, Any]:
    kinds = [("K", "knowledge"), ("S", "skills"), ("R", "responsibility_autonomy")]
    return {
        "code": f"M{module}",
        "module": module,
        "title": {"en": title, "sv": f"{title} (sv)"},
        "host": host,
        "points": 5,
        "assessment_method": {"en": "Project work and oral"},
        "criteria": {"en": "Applied in the learner's own cluster"},
        "outcomes": [
            {
                "code": f"M{module}-{letter}1",
                "kind": kind,
                "statement": {"en": f"{title}: {kind}"},
                "required": True,
                "area": "governance" if module == 1 else "strategy",
                "esco_uris": [SKILLS[module]],
            }
            for letter, kind in kinds
        ],
    }


PROFILE = {
    "title": {"en": "Cluster manager"},
    "description": {"en": "Leads a cluster organisation."},
    "areas": [
        {"code": "governance", "title": {"en": "Governance"}, "skills": SKILLS[:4]},
        {"code": "strategy", "title": {"en": "Strategy and financing"}, "skills": SKILLS[4:8]},
    ],
}
PROGRAMME = {
    "slug": "cluster-manager",
    "title": {"en": "Cluster Manager", "fi": "Klusterijohtaja"},
    "summary": {"en": "Lead a cluster organisation with a strategy of its own."},
    "profile_id": "",
    "language": "en",
    "eqf_level": 6,
    "points": 10,
    "units": [
        _unit(1, "Collaboration & Leadership", "Hyper Island"),
        _unit(2, "Cluster Strategy & Financing", "University of Vaasa"),
    ],
}
OFFERING = {
    "programme_id": "",
    "version": 1,
    "code": "2026-27",
    "title": {"en": "Cluster Manager 2026–27"},
    "starts_on": "2026-09-08",
    "ends_on": "2027-08-31",
    "seats": 20,
    "application_deadline": "2026-06-30",
    "language": "en",
    "sessions": [
        {
            "unit_code": "M2",
            "title": {"en": "Online between the meetings"},
            "mode": "online",
            "starts_at": "2027-01-14T09:00:00+02:00",
            "ends_at": "2027-01-14T12:00:00+02:00",
            "url": "https://meet.example/m2",
        },
        {
            "unit_code": "M1",
            "title": {"en": "Opening meeting"},
            "mode": "onsite",
            "starts_at": "2026-09-08T09:00:00+02:00",
            "ends_at": "2026-09-09T12:30:00+02:00",
            "place": {"name": "NetPort Science Park", "city": "Karlshamn", "country": "SE"},
        },
    ],
}


@pytest.fixture
def profile_body() -> dict[str, Any]:
    return deepcopy(PROFILE)


@pytest.fixture
def programme_body() -> dict[str, Any]:
    return deepcopy(PROGRAMME)


@pytest.fixture
def offering_body() -> dict[str, Any]:
    return deepcopy(OFFERING)
