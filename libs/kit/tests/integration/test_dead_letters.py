import asyncio
from typing import Any

import pytest
from cme_contracts import Event
from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered
from cme_kit import consumers, dead_letters, early
from cme_kit.failpoints import Injected
from cme_kit.streams import dead_letters_of
from cme_kit.subscriptions import NotYet
from cme_kit.testing import eventually

from .conftest import Consuming, after, envelope, erased, organisation, person

ORGANISATIONS = "cme.enrolment.organisation.registered.v1"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RETRY_DELAYS", (0.02, 0.02))


class Refusing:
    """A hook that refuses some labels until it is told otherwise."""

    def __init__(self, *labels: str) -> None:
        self.labels = set(labels)
        self.calls = 0

    async def __call__(self, event: Event) -> None:
        self.calls += 1
        if event.model_dump().get("name") in self.labels:
            raise NotYet("not now")


async def settled(consuming: Consuming, letters: int, *labels: str) -> list[dict[str, Any]]:
    async def all_there() -> bool:
        return len(await consuming.letters()) == letters and len(await consuming.applied()) == len(labels)

    await eventually(all_there, 30)
    assert sorted(await consuming.applied()) == sorted(labels)
    return await consuming.letters()


POISON = {
    "not JSON": b"\xff\x00 not json",
    "unknown type": envelope("org_9", 1, organisation("x"))
    .model_copy(update={"type": "com.example.organisation.dissolved.v1"})
    .model_dump_json()
    .encode(),
    "forged source": envelope("org_9", 1, organisation("x"))
    .model_copy(update={"source": "/assessment"})
    .model_dump_json()
    .encode(),
    "a newer shape": envelope("org_9", 1, organisation("x"))
    .model_copy(update={"data": {"organisation": {"id": "org_9"}}})
    .model_dump_json()
    .encode(),
    "900 KB": b'{"specversion": "1.0", "padding": "' + b"x" * 900_000 + b'"}',
}


@pytest.mark.parametrize("body", POISON.values(), ids=POISON.keys())
async def test_poison_becomes_a_dead_letter_with_its_bytes_and_its_neighbours_go_on(
    consuming: Consuming, body: bytes
) -> None:
    await consuming.send(envelope("org_1", 1, organisation("before")))
    await consuming.bus.jetstream.publish(ORGANISATIONS, body, headers={"Cme-Reason": "forged", "traceparent": "x"})
    await consuming.send(envelope("org_2", 1, organisation("after")))

    [letter] = await settled(consuming, 1, "before", "after")

    assert letter["subject"] == ORGANISATIONS
    assert letter["reason"] not in ("", "forged")
    assert (letter["attempts"], letter["size"]) == (1, len(body))
    shown = (await consuming.ask("GET", f"/{letter['number']}")).json()
    assert shown["encoding"] == ("base64" if body.startswith(b"\xff") else "utf-8")
    stored = await consuming.bus.jetstream.get_msg(dead_letters_of("outreach"), letter["number"])
    assert stored.data == body
    assert (stored.headers or {})["Cme-Stream"] == "CME_ENROLMENT"
    assert (stored.headers or {})["Cme-Sequence"] == "2"


async def test_what_keeps_failing_is_buried_after_the_schedule_and_applied_when_redriven(consuming: Consuming) -> None:
    refusing = Refusing("refused")
    consuming.hooks.append(refusing)
    event = envelope("org_1", 1, organisation("refused"))
    await consuming.send(event)

    [letter] = await settled(consuming, 1)
    assert (letter["event_id"], letter["aggregate"], letter["attempts"]) == (str(event.id), "org_1", 3)
    assert letter["reason"] == "NotYet: not now"

    failed = await consuming.ask("POST", f"/{letter['number']}/redrive")
    assert failed.json() == {"number": letter["number"], "outcome": "failed", "reason": "NotYet: not now", "also": []}
    assert len(await consuming.letters()) == 1

    refusing.labels.clear()
    redriven = await asyncio.gather(*(consuming.ask("POST", f"/{letter['number']}/redrive") for _ in range(2)))

    assert {answer.status_code for answer in redriven} <= {200, 404}
    assert "applied" in {answer.json().get("outcome") for answer in redriven}
    await settled(consuming, 0, "refused")
    again = await consuming.ask("POST", f"/{letter['number']}/redrive")
    assert (again.status_code, again.json()["code"]) == (404, "dead_letter_gone")


async def test_a_rehearsal_says_what_redriving_would_do_and_changes_nothing(consuming: Consuming) -> None:
    refusing = Refusing("1")
    consuming.hooks.append(refusing)
    first_event = envelope("org_1", 1, organisation("1"))
    await consuming.send(first_event)
    await consuming.send(envelope("org_1", 2, organisation("2"), after(OrganisationRegistered, 1)))
    first, second = (letter["number"] for letter in await settled(consuming, 2))

    refused = (await consuming.ask("POST", f"/{first}/rehearsal")).json()
    blocked = (await consuming.ask("POST", f"/{second}/rehearsal")).json()
    refusing.labels.clear()
    ready = (await consuming.ask("POST", f"/{first}/rehearsal")).json()

    assert refused == {"number": first, "outcome": "would_fail", "reason": "NotYet: not now", "behind": [second]}
    assert (blocked["outcome"], blocked["reason"]) == ("would_fail", f"behind dead letter {first}")
    assert ready == {"number": first, "outcome": "would_apply", "reason": None, "behind": [second]}
    assert await consuming.inbox() == []
    await settled(consuming, 2)
    await consuming.send(first_event)

    async def applied() -> bool:
        return await consuming.applied() == ["1"]

    await eventually(applied)
    assert (await consuming.ask("POST", f"/{first}/rehearsal")).json()["outcome"] == "applied_before"


async def test_events_behind_a_dead_letter_follow_it_and_are_redriven_with_it_in_order(consuming: Consuming) -> None:
    refusing = Refusing("1")
    consuming.hooks.append(refusing)
    for sequence in (1, 2, 3):
        before = after(OrganisationRegistered, sequence - 1) if sequence > 1 else None
        await consuming.send(envelope("org_1", sequence, organisation(str(sequence)), before))
    await consuming.send(envelope("org_2", 1, organisation("neighbour")))

    letters = await settled(consuming, 3, "neighbour")
    first, second, third = (letter["number"] for letter in letters)
    assert [letter["reason"] for letter in letters] == [
        "NotYet: not now",
        f"behind dead letter {first}",
        f"behind dead letter {second}",
    ]
    blocked = (await consuming.ask("POST", f"/{third}/redrive")).json()
    assert (blocked["outcome"], blocked["reason"]) == ("failed", f"behind dead letter {second}")

    refusing.labels.clear()
    redriven = (await consuming.ask("POST", f"/{first}/redrive")).json()

    assert redriven == {"number": first, "outcome": "applied", "reason": None, "also": [second, third]}
    assert await consuming.applied() == ["neighbour", "1", "2", "3"]
    assert await consuming.letters() == []
    await consuming.send(envelope("org_1", 4, organisation("4"), after(OrganisationRegistered, 3)))
    await settled(consuming, 0, "neighbour", "1", "2", "3", "4")


async def test_a_discarded_letter_is_a_known_gap_for_those_behind_it(consuming: Consuming) -> None:
    consuming.hooks.append(Refusing("1"))
    await consuming.send(envelope("org_1", 1, organisation("1")))
    await consuming.send(envelope("org_1", 2, organisation("2"), after(OrganisationRegistered, 1)))
    first, second = (letter["number"] for letter in await settled(consuming, 2))

    without_reason = await consuming.ask("POST", f"/{first}/discard", json={})
    discarded = await consuming.ask("POST", f"/{first}/discard", json={"reason": "test data"})

    assert (without_reason.status_code, discarded.status_code) == (422, 204)
    assert (await consuming.ask("GET", f"/{first}")).status_code == 404
    assert (await consuming.ask("POST", f"/{second}/redrive")).json()["outcome"] == "applied"
    await consuming.send(envelope("org_1", 3, organisation("3"), after(OrganisationRegistered, 2)))
    await settled(consuming, 0, "2", "3")
    assert [(row["sequence"], row.get("gap")) for row in await consuming.inbox()] == [(2, True), (3, None)]


async def test_an_event_that_follows_a_discarded_one_does_not_wait(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_DELAYS", (3600.0,))
    consuming.hooks.append(Refusing("1"))
    await consuming.send(envelope("org_1", 1, organisation("1")))
    [letter] = await settled(consuming, 1)
    await consuming.ask("POST", f"/{letter['number']}/discard", json={"reason": "test data"})

    await consuming.send(envelope("org_1", 2, organisation("2"), after(OrganisationRegistered, 1)))

    await settled(consuming, 0, "2")


async def test_letters_are_listed_in_pages(consuming: Consuming) -> None:
    for number in range(5):
        await consuming.bus.jetstream.publish(ORGANISATIONS, f"poison {number}".encode())
    await settled(consuming, 5)

    first = await consuming.ask("GET", "?limit=2")
    second = await consuming.ask("GET", f"?limit=3&after={first.json()['next']}")

    assert [len(page.json()["items"]) for page in (first, second)] == [2, 3]
    assert 'rel="next"' in first.headers["link"]
    assert second.json()["next"] is None
    numbers = [item["number"] for page in (first, second) for item in page.json()["items"]]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "?after=x", 422),
        ("GET", "?after=99999999999999999999", 422),
        ("GET", "?after=%C2%B2", 422),
        ("GET", "/99", 404),
        ("GET", "/0", 422),
        ("GET", "/x", 422),
        ("GET", "/9223372036854775808", 422),
        ("POST", "/99/redrive", 404),
        ("POST", "/99/rehearsal", 404),
        ("POST", "/99/discard", 404),
    ],
)
async def test_wrong_questions_get_a_problem(consuming: Consuming, method: str, path: str, status: int) -> None:
    body = {"json": {"reason": "because"}} if path.endswith("discard") else {}

    answer = await consuming.ask(method, path, **body)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_readers_change_nothing_and_see_no_personal_data(consuming: Consuming) -> None:
    async def refuse(_event: Event) -> None:
        raise NotYet("not now")

    consuming.hooks.append(refuse)
    await consuming.send(envelope("per_1", 1, person("A")))
    [letter] = await settled(consuming, 1)
    reader = "operations:read"

    assert (await consuming.ask("GET", "", reader)).status_code == 200
    assert (await consuming.ask("GET", f"/{letter['number']}", reader)).status_code == 403
    assert (await consuming.ask("GET", f"/{letter['number']}")).status_code == 200
    assert (await consuming.ask("POST", f"/{letter['number']}/redrive", reader)).status_code == 403
    assert (await consuming.ask("POST", f"/{letter['number']}/rehearsal", reader)).status_code == 403
    assert (await consuming.ask("POST", f"/{letter['number']}/discard", reader)).status_code == 403


async def test_a_message_that_never_comes_to_an_outcome_is_suspected(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SUSPECT_DELIVERIES", 1)
    refusing = Refusing()
    consuming.hooks.append(refusing)

    await consuming.send(envelope("org_1", 1, organisation("kills")))

    [letter] = await settled(consuming, 1)
    assert letter["reason"] == "delivered 1 times without an outcome"
    assert refusing.calls == 0


async def test_burying_that_was_interrupted_leaves_one_letter(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = 0

    async def broken_once(name: str) -> None:
        nonlocal passes
        passes += 1
        if passes == 1:
            raise Injected(name)

    monkeypatch.setattr(dead_letters, "failpoint", broken_once)
    consuming.hooks.append(Refusing("1"))

    await consuming.send(envelope("org_1", 1, organisation("1")))

    async def ended() -> bool:
        if passes < 2:
            return False
        info = await consuming.bus.jetstream.consumer_info("CME_ENROLMENT", "outreach")
        return info.num_ack_pending == 0

    await eventually(ended, 30)
    assert len(await consuming.letters()) == 1


async def test_an_erased_persons_earlier_event_is_no_dead_letter(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_DELAYS", (0.01,))

    await consuming.send(envelope("per_1", 2, erased("per_1"), after(PersonRegistered, 1)))
    await consuming.send(envelope("per_1", 3, erased("per_1"), after(PersonErased, 2)))

    await settled(consuming, 0, "per_1", "per_1")
