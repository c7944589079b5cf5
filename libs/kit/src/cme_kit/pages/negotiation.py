"""Proactive negotiation of media types and languages (RFC 9110 section 12)."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request


def weighted(header: str) -> list[tuple[str, float]]:
    """The members of an `Accept…` header with their weights, in the order they were written."""
    members = []
    for part in header.split(","):
        value, _, parameters = part.partition(";")
        weight = 1.0
        for parameter in parameters.split(";"):
            name, _, number = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    weight = float(number)
                except ValueError:
                    weight = 0.0
        if value.strip():
            members.append((value.strip().lower(), weight))
    return members


def _precision(accepted: str, offered: str) -> int:
    if accepted == offered:
        return 3
    if accepted == offered.partition("/")[0] + "/*":
        return 2
    return 1 if accepted == "*/*" else 0


def wants(request: Request, *offered: str) -> str:
    """Which of the offered media types the caller prefers; the first one without an `Accept` header.

    The most precise range decides a type's weight; between equal weights the more precisely named type wins, then
    the order of `offered`. When nothing offered is acceptable, the first is answered (RFC 9110 section 15.5.7 allows it).
    """
    accepted = weighted(request.headers.get("accept", "*/*"))

    def rank(media_type: str) -> tuple[float, int]:
        matches = [(_precision(value, media_type), weight) for value, weight in accepted]
        precision, weight = max((match for match in matches if match[0]), default=(0, 0.0))
        return weight, precision

    return max(offered, key=lambda media_type: (*rank(media_type), -offered.index(media_type)))


def preferred_language(header: str, offered: Sequence[str]) -> str | None:
    """The offered language a caller prefers, by its primary subtag, or None."""
    ranked = sorted(weighted(header), key=lambda member: -member[1])
    primary = (value.partition("-")[0] for value, weight in ranked if weight > 0)
    return next((language for language in primary if language in offered), None)
