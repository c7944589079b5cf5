"""The words that organisations, people and dirt are drawn from."""

import random
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict


class Country(BaseModel):
    """What names of a country are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: list[str]
    nuts2: list[str]
    legal_forms: list[str]
    cluster_words: list[str]
    places: list[str]
    given_names: list[str]
    family_names: list[str]
    dial: str
    weight: int


class Vocabulary(BaseModel):
    """The content of `vocabulary.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    countries: dict[str, Country]
    country_words: dict[str, list[str]]
    sectors: dict[str, dict[str, str]]
    label_words: dict[str, list[str]]
    formulas: list[str]
    dirt: dict[str, str]


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary, read once."""
    text = files(__package__).joinpath("vocabulary.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return Vocabulary.model_validate(document)


def chance(dice: random.Random, probability: float) -> bool:
    """Whether something of that probability happens."""
    return dice.random() < probability
