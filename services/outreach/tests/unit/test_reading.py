import random
from datetime import UTC, date, datetime
from email import policy
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outreach.addressing.domain import (
    AddressKeys,
    AddressKind,
    DoubtfulAddress,
    UnusableAddress,
    kind_of,
    normalise_address,
)
from outreach.csv_files.domain import UnreadableFile, decode, read_csv
from outreach.fields.domain import DateReading, country_code, escaped, label_level, read_date, whole_number
from outreach.imports.domain import COLUMNS, REQUIRED, read_row
from outreach.indicators.domain import Fact, by_tier, standings
from outreach.labels.domain import Level, validity
from outreach.mail.domain import Letter, compose
from outreach.sending.domain import HandoverResult, SendState, after_handover
from outreach.touchpoints.domain import Tier

KEYS = AddressKeys(b"k" * 32)


@pytest.mark.parametrize(
    "text",
    [
        " Ada@X.example ",
        "mailto:ADA@x.example",
        "<ada@x.example>",
        "\u200bada@x.example",
        "ada@x.example\u00a0",
        "ada@x.example.",
    ],
)
def test_an_address_is_read_out_of_its_wrapping(text: str) -> None:
    assert normalise_address(text) == "ada@x.example"


@pytest.mark.parametrize(
    "text", ["info(at)x.example", "a@b@x.example", "@x.example", "x@localhost", "", "a@x.example\r\nBcc: b@y.example"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UnusableAddress):
        normalise_address(text)


@pytest.mark.parametrize("text", ["іnfo@x.example", "аda@x.example", "?da@x.example"])
def test_an_address_that_may_imitate_another_is_left_to_a_person(text: str) -> None:
    with pytest.raises(DoubtfulAddress):
        normalise_address(text)


def test_addresses_are_hashed_with_a_key_and_links_hold_for_one_purpose() -> None:
    token = KEYS.token("unsubscribe", "snd_01jb6x")

    assert KEYS.hash_of("ada@x.example") != AddressKeys(b"l" * 32).hash_of("ada@x.example")
    assert KEYS.send_of("unsubscribe", token) == "snd_01jb6x"
    assert KEYS.send_of("interest", token) is None
    assert KEYS.send_of("unsubscribe", token[:-1]) is None


def test_kinds_of_addresses() -> None:
    assert kind_of("info@x.example") is AddressKind.ROLE_MAILBOX
    assert kind_of("ada.lind@x.example") is AddressKind.NAMED_WORK
    assert kind_of("ada@gmail.com") is AddressKind.PRIVATE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_the_usual_encodings_are_read(encoding: str) -> None:
    assert decode("name\nÄlvhamn Müller\n".encode(encoding))[0].endswith("Älvhamn Müller\n")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    try:
        file = read_csv(b"external_id,name\n" + raw, COLUMNS, REQUIRED)
    except UnreadableFile:
        return
    for row in file.rows:
        read_row(row, "test")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"name\nx",
        b"external_id,name,name\n",
        b"external_id,name,surprise\n1,2,3",
        b'external_id,name\n1,"' + b"x" * 200_000,
    ],
)
def test_a_file_that_cannot_be_read_says_why(raw: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read_csv(raw, COLUMNS, REQUIRED)


def test_single_values() -> None:
    assert (country_code("Österreich"), country_code("se"), country_code("Narnia")) == ("AT", "SE", None)
    assert (whole_number("24"), whole_number("≈40"), whole_number("1 200")) == (24, None, None)
    assert [label_level(text) for text in ("BRONS", "Silver label", "n/a", "platinum")] == [
        "bronze",
        "silver",
        "none",
        None,
    ]
    assert read_date("44287") == (DateReading.SURE, date(2021, 4, 1))
    assert read_date("03/04/2021") == (DateReading.AMBIGUOUS, None)
    assert read_date("31.04.2021") == (DateReading.NONE, None)
    assert escaped("=1+1") == "'=1+1"
    assert escaped("plain") == "plain"


def test_labels_hold_from_the_month_of_the_interview() -> None:
    first = validity(Level.BRONZE, date(2026, 11, 1), None)
    renewed = validity(Level.BRONZE, date(2028, 12, 1), first.valid_until)

    assert (first.valid_until, first.renew_from, first.renew_until) == (
        date(2028, 11, 30),
        date(2028, 5, 1),
        date(2029, 11, 30),
    )
    assert renewed.valid_until == date(2031, 11, 30)
    assert validity(Level.SILVER, date(2026, 2, 1), date(2026, 1, 31)).valid_until == date(2028, 2, 29)


@settings(deadline=None)
@given(
    st.permutations(
        [
            Fact("a", Tier.INFORMED, date(2026, 1, 1), "1"),
            Fact("a", Tier.COMMITTED, date(2026, 3, 1), "2"),
            Fact("a", Tier.COMMITTED, date(2026, 2, 1), "3"),
            Fact("b", Tier.ENGAGED, date(2026, 1, 1), "4"),
        ]
    )
)
def test_an_organisation_counts_once_in_whatever_order_evidence_arrives(facts: list[Fact]) -> None:
    found = standings([*facts, random.choice(facts)])

    assert (found["a"].tier, found["a"].first_on, found["a"].touchpoint_ids) == (
        Tier.COMMITTED,
        date(2026, 2, 1),
        ("1", "2", "3"),
    )
    assert by_tier(found.values()) == {"informed": 2, "engaged": 2, "took_part": 1, "committed": 1}


def test_a_broken_dialogue_is_in_doubt_only_after_the_content_was_offered() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert after_handover(HandoverResult.UNKNOWN, 1, now).state is SendState.IN_DOUBT
    assert after_handover(HandoverResult.NOT_STARTED, 1, now).state is SendState.QUEUED
    assert after_handover(HandoverResult.DEFERRED, 4, now).state is SendState.QUEUED
    assert after_handover(HandoverResult.DEFERRED, 5, now).state is SendState.FAILED


def test_a_mail_escapes_what_it_quotes() -> None:
    letter = Letter(
        "CME <a@b.example>",
        "c@d.example",
        "<m@b.example>",
        "de",
        "Grüße & <b>",
        "x <script>",
        "Klick",
        "http://g/i",
        "http://g/u",
        "Liste",
    )

    raw = compose(letter, lambda text: text, datetime(2026, 1, 1, tzinfo=UTC))
    message = BytesParser(policy=policy.default).parsebytes(raw)

    assert message.defects == []
    assert (message["Subject"], message["List-Unsubscribe"]) == ("Grüße & <b>", "<http://g/u>")
    assert "x <script>" in message.get_body(("plain",)).get_content()
    assert "<script>" not in message.get_body(("html",)).get_content()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=150))
@settings(max_examples=50, deadline=None)
def test_any_subject_arrives_as_it_was_written(subject: str) -> None:
    letter = Letter(
        "Ärlig <a@b.example>", "c@d.example", "<m@b.example>", "de", subject, "x", "y", "http://g/i", "http://g/u", "z"
    )

    message = BytesParser(policy=policy.default).parsebytes(compose(letter, str, datetime(2026, 1, 1, tzinfo=UTC)))

    assert (message["Subject"], message["From"]) == (subject, "Ärlig <a@b.example>")
