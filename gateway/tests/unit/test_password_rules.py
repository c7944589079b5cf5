"""Which passwords people may choose (OWASP ASVS 5.0, V6.2)."""

from __future__ import annotations

import pytest
from gateway.accounts.password_rules import Weakness, weakness_of

ABOUT = ("ona.onaite@smartfood.example", "Ona Onaitė", "Smart Food Cluster", None)


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("1234567", Weakness.SHORT),
        ("å" * 7, Weakness.SHORT),
        ("x" * 257, Weakness.LONG),
        ("12345678", Weakness.COMMON),
        ("PASSWORD", Weakness.COMMON),
        ("trustno1", Weakness.COMMON),
        ("ona.onaite@smartfood.example", Weakness.OBVIOUS),
        ("Ona.Onaite", Weakness.OBVIOUS),
        ("OnaOnaitė99!", Weakness.OBVIOUS),
        ("smartfoodcluster", Weakness.OBVIOUS),
        ("Cluster2026!", Weakness.OBVIOUS),
        ("123ClusterManagerEducation", Weakness.OBVIOUS),
    ],
)
def test_what_others_would_try_is_refused(password: str, weakness: Weakness) -> None:
    assert weakness_of(password, *ABOUT) is weakness


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "kuulokkeet",
        "åäöüßėžų",
        "x" * 64,
        "b" * 256,
        "  spaces  count  ",
        "9127 5530 1184",
        "🦦🦦🦦🦦🦦🦦🦦🦦",
        "my cluster of smart otters",
    ],
)
def test_no_rule_asks_for_kinds_of_characters(password: str) -> None:
    assert weakness_of(password, *ABOUT) is None


def test_the_list_holds_more_than_the_three_thousand_commonest() -> None:
    from gateway.accounts.password_rules import _common  # noqa: PLC0415 -- only this test looks inside

    assert len(_common()) >= 3000
    assert all(len(word) >= 8 and word == word.casefold() for word in _common())
