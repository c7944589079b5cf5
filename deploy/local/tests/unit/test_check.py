"""The auditor sees each kind of damage and names the record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cme_local.check import INVARIANTS, Report, audit
from cme_local.check.records import Message, Records, matches
from cme_local.check.report import Invariant

from .sound_platform import NOW, documents, records, status_list, streams

Documents = dict[str, dict[str, list[dict[str, Any]]]]


def broken(report: Report) -> dict[str, list[str]]:
    """By invariant, the ids of what breaks it."""
    return {
        one.name: [text.partition(": ")[0] for text in one.violations] for one in report.invariants if one.violations
    }


def test_a_sound_platform_keeps_every_invariant() -> None:
    report = audit(records())

    assert broken(report) == {}
    assert report.ok
    assert all(one.checked for one in report.invariants)
    assert len(report.invariants) == len(INVARIANTS)


def _set(service: str, collection: str, place: int, **fields: Any) -> Callable[[Documents], None]:
    def damage(held: Documents) -> None:
        held[service][collection][place] |= fields

    return damage


def _remove(service: str, collection: str, place: int) -> Callable[[Documents], None]:
    def damage(held: Documents) -> None:
        del held[service][collection][place]

    return damage


def _add(service: str, collection: str, **row: Any) -> Callable[[Documents], None]:
    def damage(held: Documents) -> None:
        held[service][collection].append(row)

    return damage


def _say_otherwise(held: Documents) -> None:
    held["credentials"]["credentials"][1]["signed"] = json.dumps({"id": "cred2", "creditsEarned": 99, "proof": {}})


DAMAGES = [
    ("outbox_drained", "e2", _set("enrolment", "outbox", 1, published=False)),
    ("stream_owned", "CME_ASSESSMENT#1", _remove("assessment", "outbox", 0)),
    ("inbox_complete", "e3", _remove("credentials", "inbox", 1)),
    ("inbox_known", "e99", _add("outreach", "inbox", _id="e99", applied_at=NOW)),
    ("sequences", "awd1", _set("credentials", "outbox", 2, sequence=4)),
    ("sequences", "awd1", _set("credentials", "outbox", 2, sequence=2)),
    ("stream_order", "awd1", _set("credentials", "outbox", 0, sequence=3)),
    ("seats", "call1", _set("enrolment", "calls", 0, seats=0)),
    ("seats", "call1", _set("enrolment", "calls", 0, seats_left=2)),
    ("seats", "call1", _set("enrolment", "calls", 0, offers_open=0)),
    ("seats", "call1", _set("enrolment", "calls", 0, held={"SE": 2})),
    ("learners", "ofr1", _remove("enrolment", "learners", 0)),
    ("learners", "enr1", _set("enrolment", "offers", 0, state="declined")),
    ("credit_chain", "crd1", _set("assessment", "credits", 0, validated=None)),
    ("credit_chain", "crd1", _set("assessment", "credits", 0, person_id="per3")),
    ("credit_chain", "crd1", _set("assessment", "credits", 0, achieved=False)),
    ("completions", "enr1", _set("assessment", "credits", 0, points_targeted=4)),
    ("completions", "enr1", _set("assessment", "credits", 0, state="validated")),
    ("completions", "enr1", _set("assessment", "learners", 0, completed_on=None)),
    ("awards", "e3", _remove("credentials", "awards", 0)),
    ("awards", "awd9", _add("credentials", "awards", _id="awd9", enrolment_id="enr9", unit_id="unt9", state="issued",
                            edition=1, credential_id="cred9")),
    ("editions", "awd1", _set("credentials", "credentials", 0, state="issued")),
    ("editions", "awd1", _remove("credentials", "credentials", 1)),
    ("editions", "awd2", _set("credentials", "awards", 1, state="pending")),
    ("signatures", "cred2", _say_otherwise),
    ("signatures", "cred2", _set("credentials", "credentials", 1, canonical="")),
    ("signatures", "cred2", _set("credentials", "credentials", 1, signed=None)),
    ("tellings", "cred3", _remove("credentials", "outbox", 3)),
    ("tellings", "cred1", _remove("credentials", "credentials", 0)),
    ("status_places", "cred2", _set("credentials", "credentials", 1, status_index=1)),
    ("revocations", "cred1", _set("credentials", "status_lists", 0, signed=status_list())),
    ("revocations", "list 1", _set("credentials", "status_lists", 0, signed=status_list(1, 7))),
    ("revocations", "cred1", _remove("credentials", "status_lists", 0)),
    ("consents", "snd1", _remove("outreach", "consents", 0)),
    ("consents", "snd1", _set("outreach", "consents", 0, recorded_at=NOW + timedelta(days=1))),
    ("consents", "snd1", _set("outreach", "consents", 0, state="withdrawn")),
    ("consents", "snd1", _set("outreach", "sends", 0, rule_id="consent.withdrawn")),
    ("objections", "snd1", _set("outreach", "suppressions", 0, scopes={"all": {"at": NOW - timedelta(days=1)}})),
    ("audit_trail", "2", _set("gateway", "audit_entries", 1, actor="somebody else")),
    ("audit_trail", "3", _remove("gateway", "audit_entries", 1)),
    ("audit_trail", "3", _remove("gateway", "audit_entries", 2)),
    ("audit_trail", "0", _remove("gateway", "audit_heads", 0)),
    ("erasures", "e1", _set("enrolment", "outbox", 0, emptied=False)),
    ("erasures", "per1", _set("enrolment", "people", 0, email="a@b.example")),
    ("erasures", "app1", _set("enrolment", "applications", 0, motivation="I")),
    ("erasures", "rev1", _set("curriculum", "reviews", 0, votes=[{"person_id": "per1", "statement": "I"}])),
    ("erasures", "sub1", _add("assessment", "contents", _id="sub1")),
    ("erasures", "per1", _set("credentials", "people", 0, name="A")),
    ("erasures", "con1", _set("outreach", "contacts", 0, person_id="per1")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "damage"), DAMAGES, ids=[f"{one[0]}-{n}" for n, one in enumerate(DAMAGES)])
def test_damage_is_seen_and_named(name: str, record: str, damage: Callable[[Documents], None]) -> None:
    held = documents()
    damage(held)

    assert record in broken(audit(records(documents=held)))[name]


def _without(stream: str, number: int) -> Records:
    held = streams()
    kept = tuple(message for message in held[stream].messages if message.number != number)
    return records(streams=tuple((held | {stream: replace(held[stream], messages=kept)}).values()))


def test_a_published_row_that_its_stream_lost_is_seen() -> None:
    assert broken(audit(_without("CME_CREDENTIALS", 2))) == {"outbox_published": ["e6"]}


def test_a_row_older_than_its_stream_keeps_events_is_not_missed() -> None:
    lost = _without("CME_CREDENTIALS", 2)

    later = replace(lost, at=NOW + timedelta(days=401))

    assert "outbox_published" not in broken(audit(later))


def test_an_event_that_is_twice_in_its_stream_is_seen() -> None:
    held = streams()
    again = Message(3, "cme.assessment.credit.recognised.v1", "e3")
    held["CME_ASSESSMENT"] = replace(
        held["CME_ASSESSMENT"], messages=(*held["CME_ASSESSMENT"].messages, again), known_until=3
    )

    assert broken(audit(records(streams=tuple(held.values())))) == {"outbox_published": ["e3"]}


def test_what_was_put_back_into_its_stream_may_stand_behind_later_events() -> None:
    held = documents()
    held["credentials"]["outbox"][0]["sequence"] = 3
    held["credentials"]["outbox"][2]["sequence"] = 1

    assert broken(audit(records(documents=held))) == {"stream_order": ["awd1"]}
    held["credentials"]["outbox"][0]["message_id"] = held["credentials"]["outbox"][1]["message_id"] = "again"
    assert broken(audit(records(documents=held))) == {}


def test_what_a_consumer_still_has_to_deliver_is_not_missed() -> None:
    held = documents()
    del held["credentials"]["inbox"][1:]
    del held["credentials"]["awards"][:]
    waiting = [replace(one, settled=0) if one.stream == "CME_ASSESSMENT" else one for one in records().subscriptions]

    found = broken(audit(records(documents=held, subscriptions=tuple(waiting))))

    assert "inbox_complete" not in found
    assert "awards" not in found


def test_a_dead_letter_stands_for_the_event_that_was_not_applied() -> None:
    held = documents()
    del held["outreach"]["inbox"][0]

    assert "inbox_complete" in broken(audit(records(documents=held)))
    assert broken(audit(records(documents=held, buried={"outreach": frozenset({"e2"})}))) == {}


def test_a_message_that_is_no_event_is_seen_and_its_dead_letter_is_known_by_its_place() -> None:
    held = streams()
    poison = Message(2, "cme.enrolment.person.erased.v1", None)
    held["CME_ENROLMENT"] = replace(
        held["CME_ENROLMENT"], messages=(*held["CME_ENROLMENT"].messages, poison), known_until=2
    )
    damaged = records(streams=tuple(held.values()))
    buried = dict.fromkeys(damaged.services, frozenset({"CME_ENROLMENT#2"}))

    assert broken(audit(damaged)).keys() == {"stream_owned", "inbox_complete"}
    assert broken(audit(replace(damaged, buried=buried))) == {"stream_owned": ["CME_ENROLMENT#2"]}


def test_what_was_published_while_the_databases_were_read_has_no_row_yet() -> None:
    held = streams()
    newer = Message(2, "cme.enrolment.person.erased.v1", "e50")
    held["CME_ENROLMENT"] = replace(held["CME_ENROLMENT"], messages=(*held["CME_ENROLMENT"].messages, newer))

    assert broken(audit(records(streams=tuple(held.values())))) == {}


def test_a_gap_is_explained_by_the_dead_letter_of_the_earlier_event() -> None:
    held = documents()
    held["assessment"]["outbox"][1] |= {"aggregate": "crd1", "sequence": 2}
    held["credentials"]["inbox"] = [{"_id": "e2", "applied_at": NOW}, {"_id": "e4", "applied_at": NOW, "gap": True}]
    buried = {"credentials": frozenset({"e3"})}

    assert broken(audit(records(documents=held)))["gaps"] == ["e4"]
    assert "gaps" not in broken(audit(records(documents=held, buried=buried)))


def test_only_what_is_broken_at_both_looks_is_told() -> None:
    def look(*violations: str) -> Report:
        return Report(NOW, [Invariant("seats", "…", 9, list(violations))])

    confirmed = look("call1: 3 of 2", "call2: 5 of 4").confirmed_by(look("call2: 6 of 4", "call3: 1 of 0"))

    assert broken(confirmed) == {"seats": ["call2"]}


def test_the_report_counts_and_names_what_is_broken() -> None:
    held = documents()
    held["enrolment"]["calls"][0]["seats"] = 0

    text = audit(records(documents=held)).as_text()

    assert "  call1: 1 seats taken of 0" in text
    assert text.endswith("records checked, 2 violations")


@pytest.mark.parametrize(
    ("subject", "filter_", "fits"),
    [
        ("cme.a.b.v1", "cme.a.b.v1", True),
        ("cme.a.b.v1", "cme.*.b.v1", True),
        ("cme.a.b.v1", "cme.>", True),
        ("cme", "cme.>", False),
        ("cme.a.b", "cme.a", False),
        ("cme.a", "cme.a.b", False),
    ],
)
def test_subjects_fit_filters_as_nats_reads_them(subject: str, filter_: str, fits: bool) -> None:
    assert matches(subject, filter_) is fits
