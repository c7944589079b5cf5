import hashlib
from datetime import UTC, datetime

import pytest
from assessment.evidence.domain import (
    EXTENSIONS,
    MAX_SIZE,
    ContentMismatch,
    ContentTooLarge,
    Submission,
    SubmissionState,
    check_content,
    check_size,
    is_of_type,
)
from assessment.evidence.schemas import MediaType
from hypothesis import given
from hypothesis import strategies as st

SAMPLES = {
    "application/pdf": b"%PDF-1.7\n1 0 obj",
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "application/zip": b"PK\x03\x04\x14\x00",
    "text/plain": "Klaipėda, Jyväskylä\n".encode(),
    "text/markdown": b"# Title\n\n- one\n",
}
TEXTS = ("text/plain", "text/markdown")


def declared(content: bytes, media_type: str = "text/plain", **changed: object) -> Submission:
    fields = {
        "submission_id": "sub_1",
        "enrolment_id": "enr_1",
        "person_id": "per_1",
        "plan_id": "pln_1",
        "unit_id": "unt_1",
        "title": "Report",
        "media_type": media_type,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "state": SubmissionState.AWAITING_CONTENT,
        "declared_at": datetime(2021, 1, 1, tzinfo=UTC),
    }
    return Submission.model_validate({**fields, **changed})


def test_the_samples_cover_every_media_type_of_the_interface() -> None:
    assert set(SAMPLES) == set(EXTENSIONS) == set(MediaType.__args__)


@pytest.mark.parametrize("media_type", SAMPLES)
def test_content_is_recognised_by_its_signature(media_type: str) -> None:
    fitting = {other for other, content in SAMPLES.items() if is_of_type(media_type, content)}

    expected = {*TEXTS, "application/pdf"} if media_type in TEXTS else {media_type}
    assert fitting == expected


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"half \xc3", b"nul \x00", b"\x1b[31mred", b"MZ\x90\x00"])
def test_binary_content_is_no_text(content: bytes) -> None:
    assert not is_of_type("text/plain", content)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_any_printable_text_is_text(text: str) -> None:
    assert is_of_type("text/markdown", f"{text}\r\n\t".encode())


def test_each_difference_to_the_declaration_is_named() -> None:
    submission = declared(b"%PDF-1.7", "application/pdf")

    with pytest.raises(ContentMismatch) as raised:
        check_content(submission, b"PK\x03\x04")

    assert [error.code for error in raised.value.errors] == ["size_differs", "hash_differs", "type_differs"]


def test_one_changed_byte_is_found() -> None:
    with pytest.raises(ContentMismatch) as raised:
        check_content(declared(b"abcd"), b"abce")

    assert [error.code for error in raised.value.errors] == ["hash_differs"]


def test_a_declared_hash_does_not_help_a_wrong_type() -> None:
    with pytest.raises(ContentMismatch) as raised:
        check_content(declared(b"MZ\x90\x00", "application/pdf"), b"MZ\x90\x00")

    assert [error.code for error in raised.value.errors] == ["type_differs"]


def test_the_declared_bytes_pass() -> None:
    for media_type, content in SAMPLES.items():
        check_content(declared(content, media_type), content)


def test_evidence_has_at_most_five_mebibytes() -> None:
    check_size(MAX_SIZE)

    with pytest.raises(ContentTooLarge):
        check_size(MAX_SIZE + 1)
