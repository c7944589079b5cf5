import pytest
from cme_kit.pages import Pages, wants
from cme_kit.pages.language import country_name, language_name, localised, translations
from fastapi import Request


def request(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/courses", "query_string": query.encode(), "headers": raw}
    return Request({**scope, "scheme": "http", "server": ("cme.test", 80)})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/ld+json, application/json;q=0.5", "application/ld+json"),
        ("*/*", "text/html"),
        ("text/html;q=0.2, application/json", "application/json"),
        ("image/png", "text/html"),
    ],
)
def test_accept_decides_the_representation(accept: str, expected: str) -> None:
    assert wants(request(accept=accept), "text/html", "application/ld+json", "application/json") == expected


@pytest.mark.parametrize(
    ("query", "headers", "language", "text"),
    [
        ("", {}, "en", "Skip to main content"),
        ("lang=fi", {"accept_language": "sv"}, "fi", "Siirry pääsisältöön"),
        ("", {"accept_language": "xx, lt-LT;q=0.8"}, "lt", "Pereiti prie pagrindinio turinio"),
        ("lang=xx", {"cookie": "cme_language=de"}, "de", "Zum Hauptinhalt springen"),
    ],
)
def test_a_page_speaks_the_callers_language(query: str, headers: dict[str, str], language: str, text: str) -> None:
    page = Pages("cme_kit.pages").render(request(query, **headers), "layout.html")

    assert page.headers["content-language"] == language
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert text in bytes(page.body).decode()


def test_lithuanian_has_three_plural_forms() -> None:
    texts = translations("lt", ("cme_kit.pages",))

    assert [texts.plural(n) for n in (1, 2, 10, 11, 21, 22)] == [0, 1, 2, 2, 0, 1]  # type: ignore[attr-defined]


def test_a_missing_language_falls_back_to_english() -> None:
    assert localised({"en": "Hello", "sv": "Hej"}, "fi") == "Hello"


def test_countries_and_languages_are_named_in_the_language_of_the_page() -> None:
    assert (country_name("SE", "fi"), language_name("en", "lt")) == ("Ruotsi", "anglų")
    assert country_name("ZZQ", "sv") == "ZZQ"
