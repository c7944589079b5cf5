"""The facts of the pilot year, read from `facts/*.yaml` and checked for shape."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from cme_local.pilot.programme_facts import Applicant, Curriculum, Fact, Partner, Person, Unit
from cme_local.pilot.year_facts import Expected, Learning, Outreach, Selection


class Facts(Fact):
    """Everything."""

    partners: list[Partner]
    lead: str
    staff: list[Person]
    applicants: list[Applicant]
    curriculum: Curriculum
    selection: Selection
    learning: Learning
    outreach: Outreach
    expected: Expected
    skills: dict[str, str]

    def unit(self, code: str) -> Unit:
        """The unit of that code."""
        return next(unit for unit in self.curriculum.units if unit.code == code)

    def ranked(self) -> list[Applicant]:
        """Who was scored, best first."""
        return sorted((a for a in self.applicants if a.scores), key=lambda a: -a.total)

    def selected(self) -> list[Applicant]:
        """Who gets an offer: the best, as far as their country has room."""
        maxima = {quota["country"]: quota["maximum"] for quota in self.selection.call.quotas}
        call = self.selection.call
        chosen: list[Applicant] = []
        for applicant in self.ranked():
            same = sum(1 for other in chosen if other.country == applicant.country)
            if len(chosen) < call.seats + call.over_offer and same < maxima.get(
                applicant.country, len(self.applicants)
            ):
                chosen.append(applicant)
        return chosen

    def starters(self) -> list[Applicant]:
        """Who accepts, in the order of acceptance."""
        absent = (self.selection.declined.applicant, self.selection.unanswered)
        return [applicant for applicant in self.selected() if applicant.key not in absent]


def _read(name: str) -> Any:
    return yaml.safe_load(files(__package__).joinpath("facts", name).read_text(encoding="utf-8"))


@cache
def read_facts() -> Facts:
    """All facts, read once."""
    return Facts.model_validate(
        {
            **_read("partners.yaml"),
            **_read("staff.yaml"),
            **_read("applicants.yaml"),
            "curriculum": _read("programme.yaml"),
            "selection": _read("selection.yaml"),
            "learning": _read("learning.yaml"),
            "outreach": _read("outreach.yaml"),
            "expected": _read("expected.yaml"),
            "skills": _read("esco-skills.yaml"),
        }
    )
