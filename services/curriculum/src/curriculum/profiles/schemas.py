"""Bodies of the profile endpoints."""

from typing import Annotated

from cme_kit.schemas import LanguageMap, Schema, example
from pydantic import BaseModel, Field, StringConstraints

#: A short name within its parent, such as M1 or M1-S2.
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
SkillUri = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[!-~]+$")]


class NewArea(Schema):
    """An area of competence."""

    code: Code = Field(description="Short code within the profile")
    title: LanguageMap = Field(description="Title by language")
    skills: list[SkillUri] = Field(max_length=100, description="URIs of ESCO skills, see GET /skills")


class NewProfile(Schema):
    """An occupational profile."""

    model_config = example(
        title={"en": "Cluster manager"},
        description={"en": "Leads a cluster organisation and its members’ cooperation."},
        areas=[
            {
                "code": "C1",
                "title": {"en": "Collaboration and leadership"},
                "skills": ["http://data.europa.eu/esco/skill/bf5d77ad-e18c-48d8-83f0-bc79c011c74a"],
            }
        ],
    )

    title: LanguageMap = Field(description="Title by language")
    description: LanguageMap = Field(description="Description by language")
    areas: list[NewArea] = Field(min_length=1, max_length=50, description="Areas of competence, in order")


class Skill(BaseModel):
    """A skill of the European classification ESCO."""

    uri: str = Field(description="Its URI in ESCO")
    label: str = Field(description="Its preferred label in English")
