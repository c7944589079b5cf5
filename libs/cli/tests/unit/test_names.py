import pytest
from cme_cli.errors import CliError
from cme_cli.names import full, short

KNOWN = [
    "com.clustereducation.enrolment.learner.enrolled.v1",
    "com.clustereducation.enrolment.learner.withdrawn.v1",
    "com.clustereducation.credentials.credential.issued.v1",
    "com.clustereducation.credentials.credential.issued.v2",
    "com.clustereducation.credentials.credential.issued.v10",
]


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("enrolment.learner.enrolled", KNOWN[0]),
        ("enrolment.learner.enrolled.v1", KNOWN[0]),
        (KNOWN[0], KNOWN[0]),
        ("credentials.credential.issued", KNOWN[4]),
        ("credentials.credential.issued.v2", KNOWN[3]),
    ],
)
def test_a_name_means_one_event_and_without_a_version_the_newest(name: str, type_: str) -> None:
    assert full(name, KNOWN) == type_


def test_a_misspelt_name_is_answered_with_what_may_have_been_meant() -> None:
    with pytest.raises(CliError, match=r"Did you mean enrolment\.learner\.enrolled"):
        full("enrolment.learner.enroled", KNOWN)


def test_what_is_shown_is_what_may_be_typed() -> None:
    assert [full(short(type_), KNOWN) for type_ in KNOWN[:2]] == KNOWN[:2]
    assert short(KNOWN[3]) == "credentials.credential.issued.v2"
