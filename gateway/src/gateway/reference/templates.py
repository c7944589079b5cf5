"""Finds the described path that a request falls under."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Where the described path itself stands in the tree; no segment is empty.
_HERE = ""
_PARAMETER = "{}"
Tree = dict[str, Any]


class Templates:
    """The paths of the API's description as a tree of segments: a look costs what the path is long."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._tree: Tree = {}
        for path in paths:
            place = self._tree
            for segment in path.strip("/").split("/"):
                place = place.setdefault(_PARAMETER if segment.startswith("{") else segment, {})
            place[_HERE] = path

    def of(self, path: str) -> str | None:
        """The described path, or None for one that is not described."""
        return _find(self._tree, path.strip("/").split("/"), 0)


def _find(place: Tree, segments: list[str], depth: int) -> str | None:
    if depth == len(segments):
        return place.get(_HERE)
    for key in (segments[depth], _PARAMETER):
        following = place.get(key) if key else None
        if following is not None and (found := _find(following, segments, depth + 1)) is not None:
            return found
    return None
