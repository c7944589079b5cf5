"""An entry that was changed, removed or put in shows in the chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gateway.audit.domain import GENESIS, Entry, breaks, hash_of

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def an_entry(number: int, previous: str = GENESIS, actor: str = "per_1") -> Entry:
    content = (number, AT, "consent.given", actor, "client", {"scope": "a b"}, previous)
    return Entry(*content, hash=hash_of(*content))


def test_a_whole_chain_has_no_break() -> None:
    first = an_entry(1)
    second = an_entry(2, first.hash)

    assert breaks(first, None) is None
    assert breaks(second, first) is None


def test_a_changed_entry_is_noticed() -> None:
    assert breaks(replace(an_entry(1), actor="per_2"), None) == "entry 1 was changed"


def test_a_changed_entry_with_a_new_hash_breaks_the_next_one() -> None:
    first, forged = an_entry(1), an_entry(1, actor="per_2")
    second = an_entry(2, first.hash)

    assert breaks(forged, None) is None
    assert breaks(second, forged) == "entry 2 does not follow the one before it"


def test_a_missing_entry_is_noticed() -> None:
    first = an_entry(1)
    third = an_entry(3, an_entry(2, first.hash).hash)

    assert breaks(third, first) == "entry 2 is missing"
    assert breaks(an_entry(2), None) == "entry 1 is missing"
