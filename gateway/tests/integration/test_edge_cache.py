"""Public reads from the cache: what is kept, for whom, and for how long (RFC 9111, RFC 9211)."""

from __future__ import annotations

from typing import Any

import pytest

from .scripted import Answer, Asked, Scripted

PATH = "/courses/cluster-manager"


@pytest.fixture
def gateway(another_gateway: Any, scripted: Scripted) -> Any:
    """A gateway in front of the scripted service."""
    return another_gateway(scripted.url)


def kept(body: bytes = b"one", **headers: str) -> Answer:
    given = {"cache-control": "public, max-age=60", "etag": '"1"'}
    return Answer(body, headers=given | {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_public_answer_is_given_again_and_says_how_old_it_is(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = kept()

    first, second = gateway.http.get(PATH), gateway.http.get(PATH)

    assert (first.content, second.content) == (b"one", b"one")
    assert first.headers["cache-status"] == "cme; fwd=miss; stored"
    assert second.headers["cache-status"].startswith("cme; hit; ttl=")
    assert int(second.headers["age"]) >= 0
    assert "ratelimit" in second.headers
    assert scripted.times(PATH) == 1


def test_what_the_caller_has_already_is_not_sent_again(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = kept(vary="Accept", content_language="en")
    gateway.http.get(PATH)

    has, weak, other = (gateway.http.get(PATH, headers={"If-None-Match": tag}) for tag in ('"1"', 'W/"1"', '"2"'))

    assert [(answer.status_code, answer.content) for answer in (has, weak, other)] == [
        (304, b""),
        (304, b""),
        (200, b"one"),
    ]
    assert {"etag", "cache-control", "vary", "age"} <= set(has.headers)
    assert "content-type" not in has.headers
    assert scripted.times(PATH) == 1


def test_representations_are_kept_apart(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = lambda asked: kept(
        asked.headers.get("accept-language", "").encode(), vary="Accept, Accept-Language"
    )

    answers = [gateway.http.get(PATH, headers={"Accept-Language": each}).text for each in ("sv", "lt", "sv", "lt")]

    assert answers == ["sv", "lt", "sv", "lt"]
    assert scripted.times(PATH) == 2


def test_an_answer_that_another_host_name_chose_is_for_nobody_else(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = lambda asked: kept(asked.headers["x-forwarded-host"].encode())

    poisoned = gateway.http.get(PATH, headers={"Host": "evil.example"})
    own = gateway.http.get(PATH)

    assert poisoned.text == "evil.example"
    assert own.text != "evil.example"


def test_queries_are_kept_apart(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = lambda asked: kept(asked.target.encode())

    answers = [gateway.http.get(f"{PATH}?q={each}").text for each in ("a", "b", "a")]

    assert answers == [f"{PATH}?q={each}" for each in ("a", "b", "a")]
    assert scripted.times(PATH) == 2


def test_head_is_answered_from_what_get_brought(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = kept()
    gateway.http.head(PATH)
    gateway.http.get(PATH)

    answer = gateway.http.head(PATH)

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "3")
    assert [asked.method for asked in scripted.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    "headers",
    [
        {"cache-control": "private, max-age=60"},
        {"cache-control": "no-store"},
        {"cache-control": "public, max-age=60, no-store"},
        {"cache-control": "max-age=0"},
        {"cache-control": ""},
        {"cache-control": "public, max-age=60", "set-cookie": "a=b"},
        {"cache-control": "public, max-age=60", "vary": "*"},
    ],
)
def test_what_may_not_be_kept_is_not(gateway: Any, scripted: Scripted, headers: dict[str, str]) -> None:
    scripted.answers[PATH] = Answer(b"one", headers=headers)

    answers = [gateway.http.get(PATH) for _ in range(2)]

    assert scripted.times(PATH) == 2
    assert answers[1].headers["cache-status"] == "cme; fwd=miss"


@pytest.mark.parametrize("status", [206, 301, 404, 500])
def test_only_whole_successes_are_kept(gateway: Any, scripted: Scripted, status: int) -> None:
    scripted.answers[PATH] = Answer(b"one", status, {"cache-control": "public, max-age=60"})

    for _ in range(2):
        gateway.http.get(PATH)

    assert scripted.times(PATH) == 2


def revalidating(asked: Asked) -> Answer:
    headers = {"cache-control": "public, no-cache", "etag": '"1"'}
    if asked.headers.get("if-none-match") == '"1"':
        return Answer(b"", 304, headers | {"x-seen": "twice", "content-length": "0"})
    return Answer(b"one", headers=headers)


def test_what_must_be_asked_about_is_asked_with_its_tag(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = revalidating

    _, second = gateway.http.get(PATH), gateway.http.get(PATH)
    has_it = gateway.http.get(PATH, headers={"If-None-Match": '"1"'})
    has_another = gateway.http.get(PATH, headers={"If-None-Match": '"0"'})

    assert [asked.headers.get("if-none-match") for asked in scripted.asked] == [None, '"1"', '"1"', '"1"']
    assert (second.status_code, second.content, second.headers["x-seen"]) == (200, b"one", "twice")
    assert second.headers["content-length"] == "3"
    assert second.headers["cache-status"].startswith("cme; fwd=stale; fwd-status=304")
    assert (has_it.status_code, has_another.status_code, has_another.content) == (304, 200, b"one")


def test_an_answer_that_changed_replaces_what_was_kept(gateway: Any, scripted: Scripted) -> None:
    tags = iter("123")
    scripted.answers[PATH] = lambda _: (
        kept(tag.encode(), etag=f'"{tag}"', cache_control="public, no-cache") if (tag := next(tags)) else Answer()
    )

    answers = [gateway.http.get(PATH).text for _ in range(3)]

    assert answers == ["1", "2", "3"]


def test_a_caller_may_insist_on_a_new_answer_or_on_a_kept_one(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = kept()
    nothing = gateway.http.get(PATH, headers={"Cache-Control": "only-if-cached"})
    gateway.http.get(PATH)

    kept_one = gateway.http.get(PATH, headers={"Cache-Control": "only-if-cached"})
    new_one = gateway.http.get(PATH, headers={"Cache-Control": "no-cache"})
    unkept = gateway.http.get(f"{PATH}?b", headers={"Cache-Control": "no-store"})

    assert (nothing.status_code, nothing.json()["code"]) == (504, "not_cached")
    assert kept_one.status_code == 200
    assert new_one.headers["cache-status"].startswith("cme; fwd=request")
    assert "stored" not in unkept.headers["cache-status"]
    assert scripted.times(PATH) == 3


def test_an_answer_to_somebody_known_is_for_nobody_else(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = lambda asked: kept(b"known" if "authorization" in asked.headers else b"anybody")
    bearer = gateway.bearer(gateway.machine("curriculum.catalogue:read"))

    answers = [gateway.http.get(PATH, headers=headers) for headers in (bearer, {}, bearer, {})]

    assert [answer.text for answer in answers] == ["known", "anybody", "known", "anybody"]
    assert "cache-status" not in answers[0].headers
    assert scripted.times(PATH) == 3


def test_the_session_of_our_pages_makes_no_representation(gateway: Any, scripted: Scripted) -> None:
    scripted.answers[PATH] = kept(vary="Cookie")

    for cookies in ("cme_session=a", "cme_session=b", "cme_language=sv"):
        gateway.http.get(PATH, headers={"Cookie": cookies})

    assert [asked.headers.get("cookie") for asked in scripted.asked] == [None, "cme_language=sv"]


def test_a_change_through_the_edge_ends_what_was_kept(gateway: Any, scripted: Scripted) -> None:
    path = "/curriculum/v1/profiles/prf_1"
    scripted.answers[path] = kept()
    bearer = gateway.bearer(gateway.machine("curriculum.profiles:write"))
    gateway.http.get(path)

    gateway.http.put(path, json={}, headers=bearer)
    gateway.http.get(path)

    assert [asked.method for asked in scripted.asked] == ["GET", "PUT", "GET"]


def test_the_sandbox_has_a_cache_of_its_own(another_gateway: Any, scripted: Scripted, echo: Any) -> None:
    scripted.answers[PATH] = kept(b"sandbox")
    gateway = another_gateway(echo.url, sandbox_upstreams={"curriculum": scripted.url})

    live, sandbox = gateway.http.get(PATH), gateway.http.get(f"/sandbox{PATH}")

    assert live.content != sandbox.content == b"sandbox"
