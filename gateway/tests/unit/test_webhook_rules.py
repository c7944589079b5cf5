"""The rules of webhooks: when to try again, whom to tell, where to send, how to sign."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from cme_contracts import all_event_types
from cme_contracts.examples import BODIES
from cme_kit.clock import SystemClock
from cme_kit.ids import new_event_id
from cryptography.exceptions import InvalidTag
from gateway.clients.domain import Client
from gateway.oauth.scopes import SCOPES
from gateway.peppered import Pepper
from gateway.webhooks import addresses
from gateway.webhooks.addresses import AddressRefused, BadUrl, Guard, SystemLookup, is_public
from gateway.webhooks.domain import (
    FAILING,
    JITTER,
    SCHEDULE,
    Attempt,
    Cause,
    Message,
    Reason,
    Signing,
    State,
    Webhook,
    judge,
)
from gateway.webhooks.messages import first_id_of
from gateway.webhooks.offering import OFFERED, may_know, may_see, values_of
from gateway.webhooks.sending import Sender, retry_after
from gateway.webhooks.signing import Keys, public_key_of, signature

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENROLLED = "com.clustereducation.enrolment.learner.enrolled.v1"
OPENED = "com.clustereducation.enrolment.call.opened.v1"
MERGED = "com.clustereducation.outreach.cluster.merged.v1"
DISABLED = "com.clustereducation.gateway.webhook.disabled.v1"


def attempt(status: int | None, waits: timedelta | None = None) -> Attempt:
    return Attempt(NOW, 20, Cause.EVENT, {}, status, None if status else "timed out", "", waits)


def webhook(**fields: Any) -> Webhook:
    made = Webhook("hook_1", "client", "https://example.org", frozenset({OPENED}), "", (), NOW)
    return replace(made, **fields)


def client(*scopes: str, **fields: Any) -> Client:
    return Client(
        client_id="client",
        name="A client",
        redirect_uris=(),
        grant_types=frozenset({"client_credentials"}),
        auth_method="client_secret_basic",
        scopes=frozenset(scopes),
        created=NOW,
        **fields,
    )


def message(type_: str, *organisations: str, **fields: Any) -> Message:
    return Message(str(new_event_id()), type_, "{}", NOW, organisations=frozenset(organisations), **fields)


def test_a_delivery_is_tried_on_the_schedule_of_the_specification() -> None:
    waited = [timedelta(0)]
    for step in range(len(SCHEDULE) - 1):
        verdict = judge(webhook(), step, attempt(500), NOW, 0)
        assert verdict.state is State.PENDING
        assert verdict.due is not None
        waited.append(verdict.due - NOW)

    s, m, h = (timedelta(seconds=1), timedelta(minutes=1), HOUR)
    assert waited == [0 * s, 5 * s, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h]
    last = judge(webhook(), len(SCHEDULE) - 1, attempt(500), NOW, 0)
    assert (last.state, last.due) == (State.FAILED, None)


@pytest.mark.parametrize("chance", [-1, 1])
def test_chance_moves_an_attempt_by_a_tenth(chance: int) -> None:
    verdict = judge(webhook(), 3, attempt(500), NOW, chance)

    assert verdict.due == NOW + 2 * HOUR * (1 + JITTER * chance)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success_and_ends_all_trouble(status: int) -> None:
    trouble = webhook(failing_since=NOW - HOUR, paused_until=NOW)

    verdict = judge(trouble, 2, attempt(status), NOW, 0)

    assert verdict == judge(webhook(), 0, attempt(status), NOW, 0)
    assert (verdict.state, verdict.failing_since, verdict.paused_until) == (State.DELIVERED, None, None)


@pytest.mark.parametrize("status", [None, 301, 302, 307, 400, 401, 404, 500, 503])
def test_everything_else_is_a_failure_that_is_tried_again(status: int | None) -> None:
    verdict = judge(webhook(), 0, attempt(status), NOW, 0)

    assert verdict.state is State.PENDING
    assert verdict.failing_since == NOW
    assert verdict.paused_until is None


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_overloaded_receiver_is_left_alone_for_a_while(status: int) -> None:
    verdict = judge(webhook(), 0, attempt(status), NOW, 0)

    assert verdict.paused_until == NOW + timedelta(seconds=30)


def test_what_a_receiver_asks_for_is_waited_for_but_no_longer_than_a_day() -> None:
    soon = judge(webhook(), 0, attempt(503, HOUR), NOW, 0)
    later = judge(webhook(), 4, attempt(429, HOUR), NOW, 0)
    far = judge(webhook(), 0, attempt(429, timedelta(days=400)), NOW, 0)

    assert (soon.due, soon.paused_until) == (NOW + HOUR, NOW + HOUR)
    assert (later.due, later.paused_until) == (NOW + 5 * HOUR, NOW + HOUR)
    assert (far.due, far.paused_until) == (NOW + 24 * HOUR, NOW + 24 * HOUR)


def test_gone_disables_at_once() -> None:
    verdict = judge(webhook(), 0, attempt(410), NOW, 0)

    assert (verdict.state, verdict.disable) == (State.FAILED, Reason.GONE)


def test_five_days_of_failure_disable_and_one_failure_after_a_quiet_week_does_not() -> None:
    failing = webhook(failing_since=NOW - FAILING)

    assert judge(failing, 2, attempt(500), NOW, 0).disable is Reason.FAILING
    assert judge(failing, 0, attempt(500), NOW, 0).disable is None
    assert judge(webhook(failing_since=NOW - FAILING + HOUR), 9, attempt(500), NOW, 0).disable is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        ("Fri, 27 Nov 2026 13:00:00 GMT", HOUR),
        ("Fri, 27 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("9" * 400, timedelta(seconds=10**9)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: timedelta | None) -> None:
    assert retry_after(value, NOW) == expected


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1"),
        *("fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
        *("2002:7f00:1::1", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
        *("2001::1", "2a00::5efe:10.0.0.1", "100::1", "localhost", "", "0x7f.1", "2130706433", "1.1.1.1%1"),
    ],
)
def test_no_address_of_any_form_leads_into_a_private_network(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "193.166.3.2", "2a00:1450:4010::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_addresses_of_the_public_internet_are_fine(address: str) -> None:
    assert is_public(address)


async def resolves(host: str, _port: int) -> list[str]:
    """Names of these tests; what looks like a number is one, as the system's resolver has it."""
    known = {
        "hooks.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
        "93.184.215.14": ["93.184.215.14"],
        "localhost": ["127.0.0.1"],
        "localhost.": ["::1"],
        "half.example": ["93.184.215.14", "10.0.0.7"],
    }
    if host not in known:
        raise OSError(host)
    return known[host]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://hooks.example/",
            "ftp://hooks.example/",
            "//hooks.example",
            "hooks.example",
            "https://",
            "https:///x",
        ),
        *("https://user@hooks.example/", "https://user:pw@hooks.example/", "https://@hooks.example/"),
        *(
            "https://hooks.example/#part",
            "https://hooks.example:22/",
            "https://hooks.example:0/",
            "https://hooks.example:x/",
        ),
        *("https://hooks.example:99999/", "https://localhost/", "https://localhost./", "https://half.example/"),
        *("https://127.0.0.1/", "https://[::1]/", "https://0x7f.1/", "https://2130706433/", "https://0177.0.0.1/"),
        *("https://127.1/", "https://1572395022/", "https://nowhere.example/", "https://hooks.example/ x"),
        *(
            "https://hooks.example\\@localhost/",
            "https://hooks.example/\n",
            "https://hööks.example/",
            "https://[fe80::1%25eth0]/",
        ),
        *("https://[", "https://[::1", "javascript:alert(1)", "https://hooks.example/" + "x" * 2048, ""),
    ],
)
async def test_an_address_that_no_webhook_may_have_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        await Guard(resolves).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example",
        "https://hooks.example:8443/cme?key=a%2Fb",
        "https://93.184.215.14/",
        "https://hooks.example/a@b",
    ],
)
async def test_https_on_the_public_internet_is_fine(url: str) -> None:
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return await resolves(host, port)

    await Guard(lookup).check(url)

    assert asked == [urlsplit(url).hostname]


async def test_with_loopback_this_machine_is_fine_by_http_and_nothing_else_is() -> None:
    guard = Guard(resolves, loopback=True)

    await guard.check("http://localhost:8080/hooks")
    for url in ("http://hooks.example/", "https://half.example/"):
        with pytest.raises(BadUrl):
            await guard.check(url)


async def test_a_connection_gets_checked_addresses_only() -> None:
    guard = Guard(resolves)

    found = await guard.resolve("hooks.example", 443)
    with pytest.raises(AddressRefused):
        await guard.resolve("half.example", 443)
    with pytest.raises(AddressRefused):
        guard.open_socket((2, 1, 6, "", ("127.0.0.1", 443)))

    assert [address["host"] for address in found] == await resolves("hooks.example", 443)


async def test_a_name_is_asked_for_once_by_all_who_want_it_now_and_a_silent_one_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered, asked, system = threading.Event(), [], socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if not str(host).endswith(".example"):  # somebody else's in this process, such as the database's
            return list(system(host, port, *more, **named))
        asked.append(host)
        if host.startswith("silent"):
            answered.wait(20)
        if host == "unknown.example":
            raise socket.gaierror
        return [(2, 1, 6, "", ("1.1.1.1", port)), (2, 2, 17, "", ("1.1.1.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses, "LOOKUP_SECONDS", 0.2)
    lookup = SystemLookup()

    silent = [asyncio.create_task(lookup(f"silent{n % 20}.example", 443)) for n in range(60)]
    await asyncio.sleep(0)
    found = await lookup("quick.example", 443)
    with pytest.raises(socket.gaierror):
        await lookup("unknown.example", 443)
    given_up = await asyncio.gather(*silent, return_exceptions=True)
    answered.set()
    lookup.close()

    assert found == ["1.1.1.1"]
    assert {type(outcome) for outcome in given_up} == {TimeoutError}
    assert sorted(asked) == sorted([*(f"silent{n}.example" for n in range(20)), "quick.example", "unknown.example"])


async def test_the_threads_that_look_up_names_end_with_what_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("1.1.1.1", 443))])
    before = set(threading.enumerate())
    guard = Guard()
    async with Sender(guard, 1, SystemClock()):
        await guard.check("https://hooks.example")
        threads = [one for one in threading.enumerate() if one not in before and one.name.startswith("lookup")]

    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
    assert threads
    assert not any(thread.is_alive() for thread in threads)


def test_every_scope_that_an_event_asks_for_exists() -> None:
    assert {offer.scope for offer in OFFERED.values() if offer.scope} <= set(SCOPES)


def test_every_event_without_personal_data_is_offered_and_no_other() -> None:
    assert set(OFFERED) == {kind.type for kind in all_event_types() if not kind.personal_data}


@pytest.mark.parametrize("type_", sorted(OFFERED))
def test_the_fields_that_tell_the_organisation_are_fields_of_the_event(type_: str) -> None:
    offer, body = OFFERED[type_], BODIES[type_]

    for field in (*offer.named, *offer.through, *offer.tells):
        assert list(values_of(body, (field,))), field


def test_whoever_is_told_of_a_person_is_told_of_the_erasure() -> None:
    with_person = {t for t, offer in OFFERED.items() if "person_id" in offer.event_type.model.model_fields}
    telling = {t for t, offer in OFFERED.items() if "person_id" in (*offer.tells, *offer.through)}

    assert with_person == telling


def test_a_partner_is_told_of_its_own_learners_only() -> None:
    partner = client("enrolment.learners:read", organisation_id="org_1")

    assert may_see(partner, message(ENROLLED, "org_1", "org_2"))
    assert not may_see(partner, message(ENROLLED, "org_2"))
    assert not may_see(partner, message(ENROLLED))
    assert not may_see(client(organisation_id="org_1"), message(ENROLLED, "org_1"))


def test_a_system_of_the_operators_is_told_of_all_that_its_scopes_allow() -> None:
    system = client("enrolment.learners:read")

    assert may_see(system, message(ENROLLED, "org_1"))
    assert may_see(system, message(ENROLLED))
    assert not may_see(system, message(MERGED))
    assert not may_see(client("outreach.directory:read", organisation_id="org_1"), message(MERGED))


def test_a_client_that_a_person_made_is_no_system_of_the_operators() -> None:
    assert not may_see(client("enrolment.learners:read", owner="per_1"), message(ENROLLED, "org_1"))


def test_public_facts_are_told_to_everybody_but_the_sandbox() -> None:
    assert may_see(client(organisation_id="org_1"), message(OPENED))
    assert may_see(client(owner="per_1"), message(OPENED))
    assert not may_see(client(sandbox=True), message(OPENED))


def test_what_is_made_up_is_told_to_sandbox_clients_alone_and_to_them_as_far_as_their_scopes_go() -> None:
    made_up = replace(message(ENROLLED, "org_1"), sandbox=True)
    scope = "enrolment.learners:read"

    assert may_see(client(scope, sandbox=True, organisation_id="org_2", owner="per_1"), made_up)
    assert not may_see(client(sandbox=True), made_up)
    assert not may_see(client(scope), made_up)
    assert not may_see(client(scope, sandbox=True), message(ENROLLED, "org_1"))


def test_what_is_for_one_client_is_told_to_no_other() -> None:
    sample = message(ENROLLED, "org_2", client_id="client", test=True)

    assert may_see(client(sandbox=True), sample)
    assert not may_see(client("enrolment.learners:read"), replace(sample, client_id="other"))
    assert not may_see(client(), message(DISABLED))
    assert may_know(client(), DISABLED)
    assert not may_know(client(*SCOPES), "com.clustereducation.enrolment.person.registered.v1")


def test_an_asymmetric_signature_is_the_one_of_the_reference_implementation() -> None:
    key = base64.b64decode("VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")

    signed = signature(Signing.ASYMMETRIC, key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')

    expected = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
    assert signed == expected


def test_a_stored_key_opens_with_the_pepper_of_its_webhook_only() -> None:
    keys = Keys(Pepper("a pepper of the tests"))
    stored = keys.make("hook_1", Signing.ASYMMETRIC, b"k" * 32, NOW)

    assert b"k" * 8 not in base64.b64decode(stored.sealed)
    assert stored.public == public_key_of(b"k" * 32)
    assert keys.headers("hook_1", [stored], "m", "{}", NOW)["webhook-signature"].startswith("v1a,")
    for wrong, webhook_id in ((Keys(Pepper("another pepper")), "hook_1"), (keys, "hook_2")):
        with pytest.raises(InvalidTag):
            wrong.headers(webhook_id, [stored], "m", "{}", NOW)


def test_the_first_id_of_a_moment_is_below_every_later_event_and_above_every_earlier_one() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=2)
    event_id = str(new_event_id())
    after = datetime.now(UTC) + timedelta(milliseconds=2)

    assert first_id_of(before) < event_id < first_id_of(after)
