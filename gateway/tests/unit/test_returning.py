"""Where the sign-in page may send somebody, and what a browser is called."""

from __future__ import annotations

import pytest
from gateway.accounts.domain import visit_of
from gateway.accounts.returning import HOME, login_hint, safe_return
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "target",
    [
        "/oauth/authorize?client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=%2F%2F..%5C",
        "/portal",
        "/portal/clients/cli_1?tab=keys",
        "/account",
        "/account?done=password",
    ],
)
def test_our_own_pages_are_returned_to(target: str) -> None:
    assert safe_return(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "https://evil.example/portal",
        "//evil.example/portal",
        "///evil.example",
        "/\\evil.example/portal",
        "\\/evil.example",
        "/portal\\..\\..\\evil.example",
        "/portal/..//evil.example",
        "/portal/../logout",
        "/portal/%2e%2e//evil.example",
        "/portal/%2e%2e%2flogout",
        "/portal/%252e%252e%252flogout",
        "/portal/%5c%5cevil.example",
        "/portal//evil.example",
        "/portal%2f%2fevil.example",
        "/portal.evil.example",
        "/portal@evil.example",
        "/portalx",
        "/accounts",
        "/oauth/authorize",
        "/oauth/authorize/../../x?",
        "/oauth/token?",
        " /portal",
        "/portal\r\nSet-Cookie: x=1",
        "/portal%0d%0aSet-Cookie:%20x=1",
        "/portal\t//evil.example",
        "/portal#//evil.example",
        "javascript:alert(1)",
        "data:text/html,/portal",
        "/portal?" + "x" * 9000,
        "/pörtal",
        "/portal/\u2028",
    ],
)
def test_nothing_else_is_returned_to(target: str) -> None:
    assert safe_return(target) == HOME


@given(st.text(max_size=60))
def test_whatever_follows_a_prefix_stays_on_this_host(rest: str) -> None:
    target = safe_return("/portal" + rest)

    assert target.startswith(("/portal", HOME))
    assert "//" not in target.partition("?")[0]
    assert "\\" not in target


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("/oauth/authorize?client_id=app&login_hint=ona%40hub.example", "ona@hub.example"),
        ("/oauth/authorize?login_hint=a&login_hint=b", ""),
        ("/oauth/authorize?login_hint=a%0Ab", ""),
        ("/oauth/authorize?client_id=app", ""),
        ("/portal?login_hint=ona", ""),
    ],
)
def test_an_application_may_say_whom_it_expects(target: str, hint: str) -> None:
    assert login_hint(target) == hint


CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("header", "browser", "system"),
    [
        (CHROME, "Chrome", "Linux"),
        (CHROME.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64") + " Edg/143.0.0.0", "Edge", "Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "macOS"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
            "Safari",
            "iOS",
        ),
        ("curl/8.0 <script>", "", ""),
        ("", "", ""),
    ],
)
def test_a_browser_is_named_in_two_words(header: str, browser: str, system: str) -> None:
    visit = visit_of(header, "192.0.2.1")

    assert (visit.browser, visit.system) == (browser, system)
