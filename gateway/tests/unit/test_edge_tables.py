"""The table of routes, the rules of freshness and the circuit, without a socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway.edge.allowances import Limit, Limits
from gateway.edge.breaker import FAILURES, OPEN_SECONDS, Breaker, UpstreamDown
from gateway.edge.cache import OVERHEAD, Cache
from gateway.edge.freshness import is_unchanged, keeping_of
from gateway.edge.routes import Routes, RoutesError
from gateway.edge.upstreams import BUDGET_MOST, RetryBudget
from gateway.reference.templates import Templates

EVERYBODY = "[[limit]]\nper_second = 1\nburst = 2\nper_day = 3\n"


def table(tmp_path: Path, text: str) -> Routes:
    path = tmp_path / "routes.toml"
    path.write_text(text, encoding="utf-8")
    return Routes.load(path)


def route(prefix: str, more: str = "") -> str:
    return f'[[route]]\nprefix = "{prefix}"\nservice = "s"\n{more}\n'


def test_the_longest_prefix_of_whole_segments_wins(tmp_path: Path) -> None:
    routes = table(tmp_path, EVERYBODY + route("/a") + route("/a/b/c") + route("/d.json"))

    found = [routes.of(path) for path in ("/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/b/cd", "/ab", "/d.json", "/", "")]

    assert [each.prefix if each else None for each in found] == [
        *("/a", "/a", "/a/b/c", "/a/b/c", "/a", None, "/d.json", None, None)
    ]


@pytest.mark.parametrize(
    "more",
    [
        'public = ["GET /b"]',
        'public = ["FETCH /a"]',
        'public = ["GET /a/{Id}"]',
        'public = ["GET /a/{id"]',
        "unknown = 1",
        "sunset = 2027-01-01T00:00:00Z",
        "deprecated = 2027-01-01T00:00:00",
        "deprecated = 2027-01-02T00:00:00Z\nsunset = 2027-01-01T00:00:00Z",
    ],
)
def test_a_route_that_cannot_be_meant_is_refused_at_the_start(tmp_path: Path, more: str) -> None:
    with pytest.raises(RoutesError):
        table(tmp_path, EVERYBODY + route("/a", more))


@pytest.mark.parametrize(
    "text",
    [
        "",
        route("/a"),
        EVERYBODY,
        EVERYBODY + route("/a") + route("/a"),
        EVERYBODY + EVERYBODY + route("/a"),
        route("/a") + '[[limit]]\ngroup = "a"\nper_second = 1\n',
        route("/a") + "[[limit]]\nper_second = 0\nburst = 1\nper_day = 1\n",
    ],
)
def test_a_table_without_routes_or_a_limit_for_everybody_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RoutesError):
        table(tmp_path, text)


def test_the_most_exact_limit_applies_and_says_only_what_differs() -> None:
    limits = Limits(
        [
            Limit(per_second=1, burst=10, per_day=100),
            Limit(group="g", per_day=200),
            Limit(client="c", burst=20),
            Limit(group="g", client="c", per_second=5),
        ],
        {"burst": 11},
    )

    found = {place: limits.of(*place) for place in (("g", "c"), ("g", "d"), ("h", "c"), ("h", None))}

    assert {place: (1 / b.interval, b.tolerance / b.interval, b.per_day) for place, b in found.items()} == {
        ("g", "c"): (5, 20, 200),
        ("g", "d"): (1, 11, 200),
        ("h", "c"): (1, 20, 100),
        ("h", None): (1, 11, 100),
    }


@pytest.mark.parametrize(
    ("headers", "fresh"),
    [
        ([(b"cache-control", b"max-age=60")], 60),
        ([(b"cache-control", b"max-age=60, s-maxage=5")], 5),
        ([(b"cache-control", b'max-age="60"')], 60),
        ([(b"cache-control", b"public"), (b"cache-control", b"max-age=60")], 60),
        ([(b"cache-control", b"public, max-age=soon"), (b"etag", b'"1"')], 0),
        ([(b"cache-control", b"max-age=99999999999999999999")], 7 * 86_400),
        ([(b"cache-control", b"public"), (b"expires", b"0"), (b"etag", b'"1"')], 0),
        (
            [
                (b"cache-control", b"public"),
                (b"date", b"Fri, 27 Nov 2026 10:00:00 GMT"),
                (b"expires", b"Fri, 27 Nov 2026 10:01:00 GMT"),
            ],
            60,
        ),
        ([(b"cache-control", b"no-cache"), (b"last-modified", b"Fri, 27 Nov 2026 10:00:00 GMT")], 0),
    ],
)
def test_an_answer_is_fresh_for_as_long_as_it_says(headers: list[tuple[bytes, bytes]], fresh: float) -> None:
    keeping = keeping_of(200, headers)

    assert keeping is not None
    assert keeping.fresh_seconds == fresh


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"etag", b'"1"')],
        [(b"cache-control", b"no-cache")],
        [(b"cache-control", b"must-revalidate"), (b"etag", b'"1"')],
        [(b"cache-control", b'private="x", max-age=60')],
    ],
)
def test_nothing_is_kept_by_guesswork(headers: list[tuple[bytes, bytes]]) -> None:
    assert keeping_of(200, headers) is None


def test_a_tag_goes_before_a_date() -> None:
    noon, later = b"Fri, 27 Nov 2026 12:00:00 GMT", b"Fri, 27 Nov 2026 13:00:00 GMT"

    assert is_unchanged({b"if-modified-since": later}, None, noon)
    assert not is_unchanged({b"if-modified-since": noon}, None, later)
    assert not is_unchanged({b"if-modified-since": b"yesterday"}, None, noon)
    assert not is_unchanged({b"if-none-match": b'"2"', b"if-modified-since": later}, b'"1"', noon)
    assert is_unchanged({b"if-none-match": b'"0", W/"1"'}, b'"1"', None)
    assert is_unchanged({b"if-none-match": b"*"}, None, None)


def test_a_full_cache_forgets_what_was_not_asked_for_longest() -> None:
    cache = Cache(most_bytes=8 * (OVERHEAD + 200))
    headers = [(b"cache-control", b"max-age=60")]
    for key in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"):
        cache.keep(cache.find(key, {}), 200, headers, b"x" * 100)
    cache.find(b"a", {})

    cache.keep(cache.find(b"i", {}), 200, headers, b"x" * 100)

    assert [key for key in (b"a", b"b", b"c", b"i") if cache.find(key, {}).stored is not None] == [b"a", b"c", b"i"]


def test_made_up_representations_push_out_no_other_target() -> None:
    cache = Cache(most_bytes=100 * OVERHEAD)
    headers = [(b"cache-control", b"max-age=60"), (b"vary", b"accept-language")]
    cache.keep(cache.find(b"other", {}), 200, headers, b"x")

    for number in range(1_000):
        asked = {b"accept-language": str(number).encode()}
        cache.keep(cache.find(b"target", asked), 200, headers, b"x")

    assert cache.find(b"other", {}).stored is not None
    assert cache.find(b"target", {b"accept-language": b"999"}).stored is not None
    assert cache.find(b"target", {b"accept-language": b"0"}).reason == "vary-miss"


def test_a_circuit_opens_lets_one_try_and_closes() -> None:
    now = 100.0
    breaker = Breaker("s", lambda: now)
    for _ in range(FAILURES):
        breaker.enter()
        breaker.failed()

    with pytest.raises(UpstreamDown) as refused:
        breaker.enter()
    now += OPEN_SECONDS
    breaker.enter()
    with pytest.raises(UpstreamDown):
        breaker.enter()
    breaker.failed()
    with pytest.raises(UpstreamDown):
        breaker.enter()
    now += OPEN_SECONDS
    breaker.enter()
    breaker.succeeded()
    breaker.enter()

    assert refused.value.headers["Retry-After"] == "1"


def test_one_answer_between_failures_keeps_a_circuit_closed() -> None:
    breaker = Breaker("s", lambda: 0.0)

    for _ in range(3 * FAILURES):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()

    breaker.enter()


def test_who_hangs_up_while_it_tries_lets_the_next_one_try() -> None:
    now = 0.0
    breaker = Breaker("s", lambda: now)
    for _ in range(FAILURES):
        breaker.failed()
    now += OPEN_SECONDS
    breaker.enter()

    breaker.left()

    breaker.enter()


def test_a_tenth_of_the_requests_may_be_repeated() -> None:
    budget = RetryBudget()
    while budget.spend():
        pass

    for _ in range(100):
        budget.earn()

    assert sum(budget.spend() for _ in range(100)) == pytest.approx(10, abs=1)
    assert BUDGET_MOST >= 10


def test_a_path_is_found_by_its_description() -> None:
    templates = Templates(["/a/v1/things", "/a/v1/things/{thing_id}", "/a/v1/things/mine", "/a/{x}/parts/{y}"])

    found = [templates.of(path) for path in ("/a/v1/things/7", "/a/v1/things/mine", "/a/v1/parts/2", "/a/v1", "/")]

    assert found == ["/a/v1/things/{thing_id}", "/a/v1/things/mine", "/a/{x}/parts/{y}", None, None]
