"""Records as the repositories would hand them over."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from curriculum.catalogue.domain import Course, course_of
from curriculum.offerings.domain import Offering, OfferingState
from curriculum.offerings.schemas import NewOffering
from curriculum.profiles.domain import Profile
from curriculum.profiles.repository import load_skills
from curriculum.programmes.domain import Content, Validation, Version, VersionState, content_hash

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def content(programme_body: dict[str, Any]) -> Content:
    body = {key: value for key, value in programme_body.items() if key != "slug"}
    for unit in body["units"]:
        unit["unit_id"] = f"unt_{unit['code']}"
        for outcome in unit["outcomes"]:
            outcome["outcome_id"] = f"out_{outcome['code']}"
    return Content.model_validate(body)


@pytest.fixture
def profile(profile_body: dict[str, Any]) -> Profile:
    return Profile(profile_id="prf_1", created_at=NOW, **profile_body)


@pytest.fixture
def make_course(content: Content, profile: Profile) -> Callable[..., Course]:
    def make(slug: str = "cluster-manager", **changes: Any) -> Course:
        changed = content.model_copy(update=changes)
        digest = content_hash(changed)
        votes = {"experts": 2, "reference_group": 2, "in_favour": 3, "against": 1}
        version = Version(
            programme_id=f"prg_{slug}",
            version=1,
            slug=slug,
            state=VersionState.PUBLISHED,
            revision=4,
            content=changed,
            content_hash=digest,
            validation=Validation(review_id="rev_1", content_hash=digest, validated_at=NOW, **votes),
            created_by="per_author",
            created_at=NOW,
            updated_at=NOW,
            published_at=NOW,
        )
        return course_of(version, profile, None, load_skills())

    return make


@pytest.fixture
def make_offering(offering_body: dict[str, Any]) -> Callable[..., Offering]:
    def make(starts_on: date = date(2026, 9, 8), **changes: Any) -> Offering:
        body = NewOffering.model_validate({**offering_body, "programme_id": "prg_1"}).model_dump()
        offering = Offering(
            offering_id=f"off_{starts_on}",
            revision=1,
            state=OfferingState.PUBLISHED,
            created_at=NOW,
            updated_at=NOW,
            **body,
        )
        dates = {
            "starts_on": starts_on,
            "ends_on": starts_on + timedelta(days=300),
            "application_deadline": datetime.combine(starts_on, datetime.min.time(), UTC) - timedelta(days=60),
        }
        return offering.model_copy(update={**dates, **changes})

    return make
