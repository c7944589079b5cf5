"""The facts of the sandbox's year: those of the pilot with made-up people and organisations, and fewer of them."""

from datetime import date
from importlib.resources import files
from typing import Any

import yaml

from cme_local.pilot.facts import Facts, read_facts
from cme_local.pilot.programme_facts import Fact, Languages


class UpcomingOffering(Fact):
    """A run of the programme that has no sessions yet."""

    code: str
    title: Languages
    starts_on: date
    ends_on: date
    seats: int
    application_deadline: str


class UpcomingCall(Fact):
    """A call that is open."""

    title: Languages
    seats: int
    over_offer: int
    opens_at: str
    closes_at: str
    quotas: list[dict[str, Any]]


class Upcoming(Fact):
    """The year after."""

    offering: UpcomingOffering
    call: UpcomingCall


class SandboxFacts(Fact):
    """What the sandbox fills itself with."""

    year: Facts
    upcoming: Upcoming


def read_sandbox_facts() -> SandboxFacts:
    """The facts, checked for shape."""
    changes = yaml.safe_load(files(__package__).joinpath("facts.yaml").read_text(encoding="utf-8"))
    hosts, upcoming = changes.pop("hosts"), changes.pop("upcoming")
    year = _merged(read_facts().model_dump(mode="json"), changes)
    for unit in year["curriculum"]["units"]:
        unit["host"] = hosts[unit["host"]]
    for session in year["curriculum"]["offering"]["sessions"]:
        session["place"] = hosts.get(session["place"])
    return SandboxFacts.model_validate({"year": year, "upcoming": upcoming})


def _merged(known: Any, changed: Any) -> Any:
    """`changed` in place of what is known; mappings key by key, so that what it does not name stays.

    A text in several languages is replaced as a whole: one that was half changed would say two things.
    """
    if isinstance(known, dict) and isinstance(changed, dict) and "en" not in changed:
        return known | {key: _merged(known.get(key), value) for key, value in changed.items()}
    return changed
