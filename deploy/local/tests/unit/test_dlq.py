import json
from collections.abc import Mapping
from typing import Any

import pytest
from cme_local import dlq
from cme_local.dlq import Chosen
from cme_local.errors import UserError
from cme_local.operating import NotAnswered, Operator, Refused
from cme_local.stack import SandboxClient

CLIENT = SandboxClient("sandbox-operator", "sandbox-operator", "client_secret_basic", [], [], [], "secret")


def letter(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "subject": "cme.enrolment.organisation.registered.v1",
        "event_id": None,
        "aggregate": "org_1",
        "reason": "NotYet: not now",
        "attempts": 9,
        "trace_id": "a" * 32,
        "buried_at": "2026-01-01T10:00:00.000000Z",
        "size": 8,
        "added_by_a_later_version": 1,
    }


class Platform(Operator):
    """Services that answer what a test says."""

    def __init__(self, **letters: list[int]) -> None:
        super().__init__("http://cme.example", CLIENT)
        self.letters_of = letters
        self.away: set[str] = set()
        self.answers: dict[tuple[str, int], dict[str, Any]] = {}
        self.changed: list[str] = []

    def ask(self, method: str, service: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        if service in self.away:
            raise NotAnswered(f"{service} does not answer: it is away")
        numbers = self.letters_of.get(service, [])
        match path.partition("?")[0].split("/"):
            case ["figures"]:
                return {"dead_letters": len(numbers)}
            case ["dead-letters"]:
                after = int(path.partition("after=")[2] or 0)
                rest = [number for number in numbers if number > after]
                following = str(rest[1]) if len(rest) > 2 else None
                return {"items": [letter(number) for number in rest[:2]], "next": following}
            case ["dead-letters", number, *_] if int(number) not in numbers:
                raise Refused(f"{service}: Dead letter {number} is gone.", 404, "dead_letter_gone")
            case ["dead-letters", number]:
                return letter(int(number)) | {"body": '{"a": 1}', "encoding": "utf-8"}
            case ["dead-letters", number, "rehearsal"]:
                usual = {"number": int(number), "outcome": "would_apply", "reason": None, "behind": []}
                return usual | self.answers.get((service, int(number)), {})
            case ["dead-letters", number, act]:
                self.changed.append(f"{act} {service} {number}")
                usual = {"number": int(number), "outcome": "applied", "reason": None, "also": []}
                return usual | self.answers.get((service, int(number)), {})
        raise AssertionError(path)


def test_letters_of_every_service_and_every_page_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform(enrolment=[3], outreach=[1, 2, 3, 4, 5])

    assert dlq.list_letters(operator, None, as_json=True) == 0

    listed = json.loads(capsys.readouterr().out)
    assert [(one["service"], one["number"]) for one in listed] == [
        ("enrolment", 3),
        *(("outreach", number) for number in range(1, 6)),
    ]


def test_a_service_that_is_away_is_named_and_the_others_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform(outreach=[1])
    operator.away.add("enrolment")

    assert dlq.list_letters(operator, None, as_json=False) == 1

    said = capsys.readouterr()
    assert said.err == "cme: enrolment does not answer: it is away\n"
    assert said.out.startswith("outreach 1  2026-01-01T10:00:00Z  cme.enrolment.organisation.registered.v1  org_1\n")


def test_a_letter_is_shown_with_its_body(capsys: pytest.CaptureFixture[str]) -> None:
    assert dlq.show_letter(Platform(outreach=[1]), "outreach", 1, as_json=False) == 0

    assert '{\n "a": 1\n}' in capsys.readouterr().out


def test_a_dry_run_tells_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform(outreach=[1, 2, 3])
    operator.answers["outreach", 1] = {"behind": [2]}
    operator.answers["outreach", 3] = {"outcome": "applied_before"}

    assert dlq.redrive_letters(operator, Chosen(None, [], all=True), dry_run=True, as_json=False) == 0
    assert dlq.discard_letters(operator, Chosen("outreach", [1], all=False), None, dry_run=True, as_json=False) == 0

    assert operator.changed == []
    assert capsys.readouterr().out.splitlines() == [
        "1/3 outreach 1: would be applied",
        "2/3 outreach 2: would be tried right after 1, which it is behind",
        "3/3 outreach 3: would only be removed: its event was applied meanwhile",
        "outreach 1: would be given up; 2 could be redriven then. Redriven instead, it would be applied",
    ]


def test_what_went_along_is_not_redriven_again(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform(outreach=[1, 2, 3])
    operator.answers["outreach", 1] = {"also": [2]}
    operator.answers["outreach", 3] = {"outcome": "failed", "reason": "NotYet: not now"}

    assert dlq.redrive_letters(operator, Chosen("outreach", [], all=True), dry_run=False, as_json=False) == 1

    assert operator.changed == ["redrive outreach 1", "redrive outreach 3"]
    assert capsys.readouterr().out.splitlines() == [
        "1/3 outreach 1: applied, and 2 behind it",
        "3/3 outreach 3: failed and stays a dead letter: NotYet: not now",
    ]


def test_a_letter_that_is_gone_is_told_and_the_rest_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform(outreach=[2])

    chosen = Chosen("outreach", [1, 2], all=False)
    assert dlq.discard_letters(operator, chosen, "test data", dry_run=False, as_json=False) == 1

    said = capsys.readouterr()
    assert operator.changed == ["discard outreach 2"]
    assert said.out == "2/2 outreach 2: discarded\n"
    assert "Dead letter 1 is gone. `./cme dlq list --service outreach` says which there are." in said.err


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (Chosen(None, [], all=False), "or --all"),
        (Chosen("outreach", [1], all=True), "or --all"),
        (Chosen(None, [1], all=False), "--service"),
    ],
)
def test_an_unclear_choice_says_what_to_name(chosen: Chosen, says: str) -> None:
    with pytest.raises(UserError, match=says):
        dlq.redrive_letters(Platform(), chosen, dry_run=False, as_json=False)


def test_discarding_wants_a_reason() -> None:
    with pytest.raises(UserError, match="--reason"):
        dlq.discard_letters(Platform(), Chosen("outreach", [1], all=False), None, dry_run=False, as_json=False)
