"""Which passwords people may choose (OWASP ASVS 5.0, V6.2): long enough, not common, not about themselves.

No rule asks for kinds of characters, and a password is used exactly as it was typed.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from importlib.resources import files

SHORTEST = 8
LONGEST = 256
#: What everybody who guesses here would try first (6.2.11).
_OURS = frozenset({"cme", "cluster", "clustermanager", "clustermanagereducation", "education", "erasmus"})


class Weakness(StrEnum):
    """Why a password is refused."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    OBVIOUS = "obvious"


@cache
def _common() -> frozenset[str]:
    # The 5,000 commonest of at least eight characters, from the frequency list of zxcvbn (MIT licence).
    return frozenset((files("gateway.accounts") / "common_passwords.txt").read_text().split())


def weakness_of(password: str, *about: str | None) -> Weakness | None:
    """Why nobody should use this password, or None; `about` is what others know of the person, such as the address."""
    if len(password) < SHORTEST:
        return Weakness.SHORT
    if len(password) > LONGEST:
        return Weakness.LONG
    folded = password.casefold()
    if folded in _common():
        return Weakness.COMMON
    words = set(_OURS)
    for known in filter(None, about):
        whole = known.casefold()
        parts = re.split(r"[\s@._-]+", whole)
        words |= {whole, "".join(parts), *parts, whole.partition("@")[0]}
    letters = "".join(character for character in folded if character.isalpha())
    return Weakness.OBVIOUS if {folded, letters} & (words - {""}) else None
