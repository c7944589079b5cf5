"""Dead letters on the pages: shown, redriven and discarded by forms that no other site can send."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cme_local.operating import Letter, NotAnswered, OpenedLetter, Redriven, Refused, Rehearsal
from cme_local.ops.letter_desk import MOST_RESULTS, Result, Results

from .operators import SIGNED_IN, operator

LETTER = Letter(
    service="outreach",
    number=3,
    subject="cme.enrolment.learner.enrolled.v1",
    event_id="01890a5d-ac96-774b-bcce-b302099a8057",
    aggregate="enr_01jb6x9y2kfq0v8r3m5t7w1z4c",
    reason="KeyError: <b>country</b>",
    attempts=8,
    trace_id="ab" * 16,
    buried_at="2026-11-26T10:11:12Z",
    size=9,
)
PATH = "/dead-letters/outreach/3"


@dataclass
class Services:
    """What the services would answer, and what they were asked."""

    body: str = '{"a": 1}'
    encoding: str = "utf-8"
    redriven: Redriven = field(default_factory=lambda: Redriven(3, "applied", None, [4]))
    rehearsed: Rehearsal = field(default_factory=lambda: Rehearsal(3, "would_apply", None, []))
    silent: str = ""
    gone: bool = False
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def page_of_letters(self, service: str, after: str | None = None) -> tuple[list[Letter], str | None]:
        if service == self.silent:
            raise NotAnswered(f"{service} does not answer: Try again in a moment.")
        return ([LETTER], "3") if service == "outreach" else ([], None)

    def letter(self, service: str, number: int) -> OpenedLetter:
        if self.gone:
            raise Refused("outreach: no such letter", 404, "not_found")
        return OpenedLetter(**vars(LETTER), body=self.body, encoding=self.encoding)

    def rehearse(self, service: str, number: int) -> Rehearsal:
        self.asked.append(("rehearse", service, number))
        return self.rehearsed

    def redrive(self, service: str, number: int) -> Redriven:
        self.asked.append(("redrive", service, number))
        return self.redriven

    def discard(self, service: str, number: int, reason: str) -> None:
        self.asked.append(("discard", service, number, reason))


async def signed_in(services: Services) -> httpx.AsyncClient:
    """An operator's browser: a session by a code, no bearer."""
    http = operator(letters=lambda: services, headers={})  # type: ignore[arg-type, return-value]
    code = (await http.post("/login/codes", headers=SIGNED_IN)).json()["code"]
    await http.get("/login", params={"code": code})
    return http


async def token_of(http: httpx.AsyncClient) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', (await http.get(PATH)).text)
    assert found is not None
    return found[1]


async def test_the_list_shows_what_there_is_and_who_did_not_say() -> None:
    http = await signed_in(Services(silent="credentials"))

    page = (await http.get("/dead-letters")).text

    assert f'href="{PATH}"' in page
    assert f'href="/traces/{LETTER.trace_id}"' in page
    assert "<strong>credentials</strong> did not say" in page
    assert "&lt;b&gt;country" in page
    assert 'href="/dead-letters?service=outreach&amp;after=3"' in page


async def test_a_letter_is_redriven_and_the_result_is_shown_once_it_is_done() -> None:
    services = Services()
    http = await signed_in(services)

    done = await http.post(f"{PATH}/redrive", data={"form_token": await token_of(http)})
    shown = await http.get(done.headers["location"])

    assert done.status_code == 303
    assert services.asked == [("redrive", "outreach", 3)]
    assert "Letter 3 of outreach was applied" in shown.text
    assert "those behind it: 4" in shown.text


async def test_what_fails_again_says_why_beside_the_letter() -> None:
    http = await signed_in(Services(redriven=Redriven(3, "failed", "KeyError: country", [])))

    done = await http.post(f"{PATH}/redrive", data={"form_token": await token_of(http)})
    shown = await http.get(done.headers["location"])

    assert done.headers["location"].startswith(f"{PATH}?result=")
    assert "stays a dead letter. Reason: KeyError: country" in shown.text


@pytest.mark.parametrize(
    ("outcome", "reason", "told"),
    [
        ("would_apply", None, "It would be applied now. Behind it wait: 4."),
        ("would_fail", "KeyError: country", "It would fail again. Reason: KeyError: country"),
        ("applied_before", None, "Its effect is there already"),
    ],
)
async def test_a_letter_is_tried_without_changing_anything(outcome: str, reason: str | None, told: str) -> None:
    services = Services(rehearsed=Rehearsal(3, outcome, reason, [4]))
    http = await signed_in(services)

    done = await http.post(f"{PATH}/rehearsal", data={"form_token": await token_of(http)})
    shown = await http.get(done.headers["location"])

    assert services.asked == [("rehearse", "outreach", 3)]
    assert "Nothing was changed." in shown.text
    assert told in shown.text


@pytest.mark.parametrize("action", ["rehearsal", "redrive", "discard"])
async def test_a_form_of_another_site_changes_nothing(action: str) -> None:
    services = Services()
    http, other = await signed_in(services), await signed_in(services)

    for form in ({"reason": "x"}, {"reason": "x", "form_token": "0" * 64}, {"form_token": await token_of(other)}):
        answer = await http.post(f"{PATH}/{action}", data=form)
        assert answer.status_code == 403
        assert "Error: " in answer.text
    stranger = await operator(letters=lambda: services, headers={}).post(f"{PATH}/{action}")  # type: ignore[arg-type, return-value]

    assert stranger.status_code == 401
    assert services.asked == []


@pytest.mark.parametrize(("reason", "told"), [("  ", "Say why nobody needs"), ("x" * 201, "at most 200")])
async def test_a_letter_is_not_discarded_without_a_reason(reason: str, told: str) -> None:
    services = Services()
    http = await signed_in(services)

    answer = await http.post(f"{PATH}/discard", data={"form_token": await token_of(http), "reason": reason})

    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert answer.text.count(told) == 2
    assert services.asked == []


async def test_a_letter_is_discarded_for_a_reason() -> None:
    services = Services()
    http = await signed_in(services)

    done = await http.post(f"{PATH}/discard", data={"form_token": await token_of(http), "reason": " trial run "})

    assert services.asked == [("discard", "outreach", 3, "trial run")]
    assert "was discarded: trial run" in (await http.get(done.headers["location"])).text


async def test_an_invented_result_claims_nothing() -> None:
    http = await signed_in(Services())

    assert "notice ok" not in (await http.get("/dead-letters?result=invented")).text


async def test_the_original_bytes_can_be_downloaded() -> None:
    http = await signed_in(Services(body="/yBub3Q=", encoding="base64"))

    assert (await http.get(f"{PATH}/source")).content == b"\xff not"


async def test_a_letter_that_is_gone_says_so() -> None:
    http = await signed_in(Services(gone=True))

    answer = await http.get(PATH)

    assert answer.status_code == 404
    assert "redriven or discarded meanwhile" in answer.text


async def test_without_a_stack_the_list_says_that_nobody_answers() -> None:
    page = await operator().get("/dead-letters")

    assert page.status_code == 200
    assert "enrolment, curriculum, assessment, credentials, outreach, gateway</strong> did not say" in page.text
    assert "cannot be said now" in page.text


def test_results_are_few() -> None:
    results = Results()
    first = results.keep(Result("ok", "done"))
    for _ in range(MOST_RESULTS):
        results.keep(Result("ok", "done"))

    assert results.get(first) is None
