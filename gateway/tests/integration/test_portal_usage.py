"""What an application asked for, as its owner sees it."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.portal.usage_service import PortalUsage

from .developers import developer

ORGANISATIONS = "/sandbox/enrolment/v1/organisations"


def numbers(text: str) -> list[int]:
    """The figures of the newest day in the table."""
    row = re.search(r"<tbody>\s*<tr>.*?</tr>", text, re.DOTALL)
    assert row is not None
    return [int(value) for value in re.findall(r'<td class="num">(\d+)</td>', row[0])]


def text_of(page: Any) -> str:
    """A page without the places where long words may break."""
    return str(page.text).replace("<wbr>", "")


def test_requests_are_counted_logged_and_narrowed_to_a_status(gateway: Any) -> None:
    someone = developer(gateway)
    credentials = someone.credentials()
    headers = gateway.bearer(credentials)
    for path in (ORGANISATIONS, ORGANISATIONS, "/sandbox/outreach/v1/campaigns?secret=abc"):
        gateway.http.get(path, headers=headers)
    gateway.http.post(ORGANISATIONS, headers=headers, content=b"{")
    here = f"/portal/applications/{credentials[0]}/usage"

    page = someone.get(here)
    refused = text_of(someone.get(here, status="4")).partition('<section class="section" aria-labelledby="log">')[2]

    assert numbers(page.text) == [4, 1, 0]
    assert text_of(page).count(f"GET {ORGANISATIONS}") == 2
    assert "abc" not in page.text
    assert "4 requests in 14 days. 1 of all was refused or failed." in page.text
    assert "malformed_json" in refused
    assert f"POST {ORGANISATIONS}" in refused
    assert "GET" not in refused
    trace = re.search(r'<span class="secret">([0-9a-f]{32})</span>', page.text)
    assert trace is not None


def test_what_is_left_of_the_day_is_shown(gateway: Any) -> None:
    someone = developer(gateway)
    credentials = someone.credentials()
    answer = gateway.http.get(ORGANISATIONS, headers=gateway.bearer(credentials))
    left = re.search(r'"daily";r=(\d+)', answer.headers["ratelimit"])
    assert left is not None

    page = someone.get(f"/portal/applications/{credentials[0]}/usage")

    assert f"1 used, {int(left[1]):,} left" in page.text


def test_the_log_goes_on_page_by_page(gateway: Any) -> None:
    someone = developer(gateway)
    credentials = someone.credentials()
    headers = gateway.bearer(credentials)
    for number in range(27):
        gateway.http.get(f"{ORGANISATIONS}/org_{number:02d}", headers=headers)
    here = f"/portal/applications/{credentials[0]}/usage"

    first = text_of(someone.get(here))
    earlier = re.search(r'href="([^"]+before=[^"]+)"', first)
    assert earlier is not None
    second = text_of(someone.get(earlier[1].replace("&amp;", "&")))

    logged = [re.findall(rf"GET {ORGANISATIONS}/(org_\d\d)", text) for text in (first, second)]
    assert [len(found) for found in logged] == [25, 2]
    assert sorted(logged[0] + logged[1]) == [f"org_{number:02d}" for number in range(27)]


def test_the_first_page_knows_that_a_call_was_made(gateway: Any) -> None:
    someone = developer(gateway)
    credentials = someone.credentials()
    headers = gateway.bearer(credentials)
    before = someone.get().text

    gateway.http.get(ORGANISATIONS, headers=headers)

    assert "Done by My first application." not in before
    assert "Done by My first application." in someone.get().text


async def test_usage_is_stored_once_for_a_page_of_applications() -> None:
    done: list[str] = []

    class Counting:
        async def flush(self) -> None:
            done.append("flush")

        async def stored_requests_of(self, client_id: str, *_: Any) -> list[Any]:
            done.append(client_id)
            return []

    usage: Any = Counting()
    applications: list[Any] = [SimpleNamespace(client_id=client_id) for client_id in ("test_1", "test_2")]
    portal: Any = None

    assert await PortalUsage(portal, usage, portal, portal).first_called(applications) is None
    assert done == ["flush", "test_1", "test_2"]


@pytest.mark.parametrize("query", ["", "?status=9", "?before=%00", "?before=0"])
def test_a_page_without_requests_says_so(gateway: Any, query: str) -> None:
    someone = developer(gateway)
    client_id, _ = someone.credentials()

    page = someone.person.browser.get(f"/portal/applications/{client_id}/usage{query}")

    assert page.status_code == (422 if "9" in query else 200)
    assert "Nothing was asked for today." in page.text or page.status_code == 422


def test_anothers_usage_is_an_unknown_one(gateway: Any) -> None:
    client_id, _ = developer(gateway).credentials()

    assert developer(gateway).get(f"/portal/applications/{client_id}/usage").status_code == 404
