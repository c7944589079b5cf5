from datetime import UTC, datetime

import pytest
from outreach.addressing.domain import AddressKind
from outreach.consents.domain import (
    Basis,
    Consent,
    ConsentState,
    Method,
    Purpose,
    RelationKind,
    decide,
    may_send,
    stricter,
)

BASES = (Basis.CONSENT_DOI, Basis.CONSENT_SINGLE, Basis.SOFT_OPT_IN, Basis.LEGIT_INTEREST_B2B, Basis.NONE)
#: One sign per basis in that order: `x` may send an invitation, `.` may not.
GOLDEN = {
    ("DE", AddressKind.NAMED_WORK): "x.x..",
    ("DE", AddressKind.ROLE_MAILBOX): "x.x..",
    ("DE", AddressKind.PRIVATE): "x.x..",
    ("FI", AddressKind.NAMED_WORK): "xxxx.",
    ("FI", AddressKind.ROLE_MAILBOX): "xxxxx",
    ("FI", AddressKind.PRIVATE): "xxx..",
    ("SE", AddressKind.NAMED_WORK): "xxx..",
    ("SE", AddressKind.ROLE_MAILBOX): "xxxxx",
    ("SE", AddressKind.PRIVATE): "xxx..",
    ("LT", AddressKind.NAMED_WORK): "xxx..",
    ("LT", AddressKind.ROLE_MAILBOX): "xxx..",
    ("LT", AddressKind.PRIVATE): "xxx..",
}
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def consent(state: str, method: str = "double_opt_in") -> Consent:
    return Consent(consent_id="cns_1", state=ConsentState(state), method=Method(method), given_at=THEN)


@pytest.mark.parametrize(("country", "kind"), GOLDEN)
def test_each_country_allows_what_its_law_allows(country: str, kind: AddressKind) -> None:
    allowed = "".join("x" if may_send(Purpose.EVENT_INVITE, kind, country, basis).allowed else "." for basis in BASES)

    assert allowed == GOLDEN[country, kind]


@pytest.mark.parametrize("country", ["PL", "FR", None])
def test_an_unknown_country_is_treated_like_the_strictest(country: str | None) -> None:
    for kind in AddressKind:
        for basis in BASES:
            decided = may_send(Purpose.NEWSLETTER, kind, country, basis)
            assert decided.allowed == may_send(Purpose.NEWSLETTER, kind, "DE", basis).allowed
            assert decided.rule_id.startswith("DE(default).")


def test_a_relation_never_carries_a_survey() -> None:
    for basis in (Basis.SOFT_OPT_IN, Basis.LEGIT_INTEREST_B2B, Basis.NONE):
        assert not may_send(Purpose.SURVEY, AddressKind.ROLE_MAILBOX, "FI", basis).allowed


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("relation", [None, *RelationKind])
def test_an_objection_or_a_withdrawal_overrides_every_basis(purpose: Purpose, relation: RelationKind | None) -> None:
    given, withdrawn = {purpose: consent("given")}, {purpose: consent("withdrawn")}
    for consents, objections, rule in (
        (given, {"all": THEN}, "suppressed.all"),
        (given, {purpose.value: THEN}, f"suppressed.{purpose}"),
        (withdrawn, {}, "consent.withdrawn"),
    ):
        decided = decide(purpose, AddressKind.ROLE_MAILBOX, "FI", consents, relation, objections)
        assert (decided.allowed, decided.rule_id) == (False, rule)


def test_merging_two_entries_keeps_the_withdrawal() -> None:
    given, withdrawn = {"survey": consent("given")}, {"survey": consent("withdrawn"), "newsletter": consent("given")}

    for united in (stricter(given, withdrawn), stricter(withdrawn, given)):
        assert united["survey"].state is ConsentState.WITHDRAWN
        assert united["newsletter"].state is ConsentState.GIVEN
