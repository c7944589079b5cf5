"""What the auditor found: each invariant with how much it looked at and what breaks it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Invariant:
    """One sentence that must be true of every record.

    A violation begins with the id of the record, then ": " and what is wrong with it; never with personal data.
    """

    name: str
    text: str
    checked: int
    violations: list[str]


@dataclass(frozen=True)
class Report:
    """All invariants, as of one moment."""

    at: datetime
    invariants: list[Invariant]

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not any(invariant.violations for invariant in self.invariants)

    @property
    def checked(self) -> int:
        """How many records were looked at in all; one that several invariants look at counts several times."""
        return sum(invariant.checked for invariant in self.invariants)

    def confirmed_by(self, later: Report) -> Report:
        """The later report with what was broken before as well: work under way is different work by then."""
        before = {one.name: {_record_of(text) for text in one.violations} for one in self.invariants}
        confirmed = [
            replace(one, violations=[text for text in one.violations if _record_of(text) in before[one.name]])
            for one in later.invariants
        ]
        return Report(later.at, confirmed)

    def as_json(self) -> dict[str, Any]:
        """For the JSON file and the page."""
        invariants = [asdict(invariant) for invariant in self.invariants]
        return {"at": self.at.isoformat(), "ok": self.ok, "checked": self.checked, "invariants": invariants}

    def as_text(self) -> str:
        """The table, then every violation."""
        width = max(len(one.name) for one in self.invariants)
        lines = [f"{'invariant':<{width}}  {'checked':>8}  {'violations':>10}"]
        lines += [f"{one.name:<{width}}  {one.checked:>8}  {len(one.violations):>10}" for one in self.invariants]
        for one in self.invariants:
            if one.violations:
                lines += ["", f"{one.name}: {one.text}", *(f"  {text}" for text in one.violations)]
        broken = sum(len(one.violations) for one in self.invariants)
        return "\n".join([*lines, "", f"{self.checked} records checked, {broken} violations"])


def invariant(name: str, text: str, checked: int, violations: Iterable[str]) -> Invariant:
    """An invariant with its violations in order, each once."""
    return Invariant(name, text, checked, sorted(set(violations)))


def _record_of(violation: str) -> str:
    return violation.partition(": ")[0]
