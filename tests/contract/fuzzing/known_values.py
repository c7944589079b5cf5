"""Ids of what is there, for generated requests: what names nothing is refused before any rule is asked."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: So many of each name are enough.
MOST = 12
#: Of different things by the same name in different services, which the path tells apart.
AMBIGUOUS = frozenset({"review_id", "client_id"})


class KnownValues:
    """Values of fields, as they were seen in answers, taken in turn."""

    def __init__(self, seen: Mapping[str, list[str]]) -> None:
        self._turns: dict[str, Iterator[str]] = {
            name: itertools.cycle(values) for name, values in seen.items() if _is_id(name) and name not in AMBIGUOUS
        }
        self._known = {value for values in seen.values() for value in values}

    @classmethod
    def load(cls, file: Path) -> KnownValues:
        """As `save` wrote them."""
        return cls(json.loads(file.read_text()))

    def put_into(self, place: Any) -> None:
        """Replace every generated id in parameters or a body by one of something that is there."""
        if isinstance(place, list):
            for item in place:
                self.put_into(item)
        elif isinstance(place, dict):
            for name, value in place.items():
                turns = self._turns.get(_id_of(name))
                if turns is None:
                    self.put_into(value)
                elif isinstance(value, str) and value not in self._known:
                    place[name] = next(turns)


def save(seen: Mapping[str, set[str]], file: Path) -> None:
    """Keep some values of each name, always the same of the same platform."""
    file.write_text(json.dumps({name: sorted(values)[:MOST] for name, values in seen.items() if _is_id(name)}))


def _is_id(name: str) -> bool:
    return name.endswith("_id") or name in ("slug", "content_hash")


def _id_of(name: str) -> str:
    """`home_organisation_id` is the id of an organisation."""
    return "organisation_id" if name.endswith(("organisation_id", "institution_id")) else name
