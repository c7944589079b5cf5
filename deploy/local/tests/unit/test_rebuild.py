from collections.abc import Mapping
from typing import Any

import pytest
from cme_local import rebuild
from cme_local.errors import UserError
from cme_local.operating import NotAnswered, Operator, Refused
from cme_local.stack import SandboxClient

CLIENT = SandboxClient("sandbox-operator", "sandbox-operator", "client_secret_basic", [], [], [], "secret")


class Platform(Operator):
    """Credentials has two read models, of which one cannot be made again; assessment is away."""

    def __init__(self) -> None:
        super().__init__("http://cme.example", CLIENT)
        self.asked: list[str] = []
        #: What is answered while a rebuild is at work, one after the other.
        self.meanwhile: list[str | Exception] = []

    def ask(self, method: str, service: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        if method == "POST":
            self.asked.append(f"{service} {path}")
        if service == "assessment":
            raise NotAnswered("assessment does not answer: it is away")
        if path.startswith("stream/"):
            return {"events": 3, "dry_run": path.endswith("True")}
        if path != "models":
            return None
        if service != "credentials":
            return []
        state = self.meanwhile.pop(0) if self.asked and self.meanwhile else "done"
        if isinstance(state, Exception):
            raise state
        rebuilt = {"dry_run": "dry_run=True" in "".join(self.asked), "events": 9, "changed": 2, "reason": None}
        failed = {"state": "failed", "reason": "CME_ENROLMENT_PERSONAL begins with message 2."}
        counts = {"documents": 4, "events": 9}
        return [
            {"name": "organisations", "rebuild": rebuilt | {"state": state}, **counts},
            {"name": "people", "rebuild": rebuilt | failed, **counts},
        ]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "POLL_S", 0.0)


def test_every_model_is_made_again_and_what_cannot_be_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert rebuild.rebuild_models(Platform(), None, None, dry_run=False) == 1

    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "credentials organisations: made again from 9 events; 2 documents were wrong",
        "credentials people: cannot be made again: CME_ENROLMENT_PERSONAL begins with message 2.",
    ]
    assert said.err == "cme: assessment does not answer: it is away\n"


def test_a_service_that_is_restarted_meanwhile_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform()
    operator.meanwhile = ["building", NotAnswered("credentials does not answer"), "building"]

    assert rebuild.rebuild_models(operator, "credentials", "organisations", dry_run=True) == 0

    assert operator.asked == ["credentials models/organisations/rebuild?dry_run=True"]
    assert capsys.readouterr().out.endswith("; 2 documents are wrong\n")


def test_an_unknown_model_is_told_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no read model x .*credentials organisations, credentials people"):
        rebuild.rebuild_models(Platform(), "credentials", "x", dry_run=False)


def test_a_refusal_in_the_middle_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    operator = Platform()
    operator.meanwhile = [Refused("credentials: forbidden", 403, "forbidden")]

    assert rebuild.rebuild_models(operator, "credentials", "organisations", dry_run=False) == 1

    assert capsys.readouterr().err == "cme: credentials: forbidden\n"


@pytest.mark.parametrize(("dry_run", "says"), [(True, "are missing"), (False, "were missing and are published again")])
def test_streams_of_every_service_are_rebuilt(capsys: pytest.CaptureFixture[str], dry_run: bool, says: str) -> None:
    assert rebuild.rebuild_streams(Platform(), None, dry_run) == 1

    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"{service}: 3 events {says}" for service in ("enrolment", "curriculum", "credentials", "outreach")
    ]
    assert told.err == "cme: assessment does not answer: it is away\n"
