"""What became of the writes: acknowledged on the client's side, compared with what the platform holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """Names of writes by what became of them; `duplicated` and `lost` say where as well."""

    ok: list[str]
    lost: list[str]
    duplicated: list[str]
    unknown: list[str]
    phantom: list[str]


def compare(
    acknowledged: Mapping[str, str],
    unknown: Iterable[str],
    stored: Iterable[tuple[str, str]],
    effects: Mapping[str, Mapping[str, int]],
) -> Comparison:
    """Compare sets.

    Args:
        acknowledged: by the name of each write that was answered 2xx, the id in its answer.
        unknown: names of the writes whose answer never came; they may have happened once or not at all.
        stored: (name, id) of every record of this run, from the service that owns it.
        effects: by each subscribed service, how often it applied the record of an id.
    """
    ids_of: dict[str, list[str]] = {}
    for name, record_id in stored:
        ids_of.setdefault(name, []).append(record_id)
    unknown = set(unknown)
    ok, lost, duplicated = [], [], []
    for name in sorted({*acknowledged, *ids_of}):
        ids = ids_of.get(name, [])
        missing, repeated = _effects_of(ids, effects)
        if name in acknowledged and acknowledged[name] not in ids:
            missing.append("the service that acknowledged it")
        if len(ids) > 1:
            repeated.append("the service that owns it")
        lost.extend(f"{name} at {place}" for place in missing)
        duplicated.extend(f"{name} at {place}" for place in repeated)
        if name in acknowledged and not missing and not repeated:
            ok.append(name)
    phantom = [f"{name} was never asked for" for name in ids_of if name not in acknowledged and name not in unknown]
    return Comparison(ok, lost, duplicated, sorted(unknown), sorted(phantom))


def _effects_of(ids: list[str], effects: Mapping[str, Mapping[str, int]]) -> tuple[list[str], list[str]]:
    missing = [service for service, counts in effects.items() for i in ids if counts.get(i, 0) == 0]
    repeated = [service for service, counts in effects.items() for i in ids if counts.get(i, 0) > 1]
    return missing, repeated


@dataclass
class Row:
    """One line of the table."""

    experiment: str
    acknowledged: int = 0
    ok: int = 0
    lost: int = 0
    duplicated: int = 0
    unknown: int = 0
    violations: int = 0
    recovery_s: float = 0.0
    #: A part of the platform was taken away: the row is good when the comparison saw it.
    must_fail: bool = False
    #: Why it could not be run on this machine; empty when it ran.
    not_possible: str = ""
    details: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, duplicated or violated; of a sabotage, whether that was seen."""
        if self.must_fail:
            return bool(self.lost or self.duplicated)
        return not (self.lost or self.duplicated or self.violations)

    def add(self, found: Comparison) -> None:
        """Count a comparison."""
        self.ok += len(found.ok)
        self.lost += len(found.lost)
        self.duplicated += len(found.duplicated)
        self.unknown += len(found.unknown)
        for kind in ("lost", "duplicated"):
            self.details.extend(f"{kind}: {what}" for what in getattr(found, kind)[:10])
        self.violate(*(f"phantom: {what}" for what in found.phantom))

    def violate(self, *texts: str) -> None:
        """Count violations; the same text is told once, with its number."""
        self.violations += len(texts)
        self.details.extend(f"{text} (x{n})" if n > 1 else text for text, n in list(Counter(texts).items())[:20])

    def as_json(self) -> dict[str, Any]:
        """For the JSON file."""
        return asdict(self)
