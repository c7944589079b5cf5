"""The public pages, and the same addresses for machines."""

import json
import re
from typing import Any

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def page(desk: Any, path: str, **headers: str) -> Any:
    return await desk.http.get(path, headers={**BROWSER, **headers})


async def test_a_course_answers_a_page_linked_data_or_json_by_accept(desk: Any) -> None:
    await desk.offering(await desk.published())

    html = await page(desk, "/courses/cluster-manager")
    linked = await desk.http.get("/courses/cluster-manager", headers={"Accept": "application/ld+json"})
    record = await desk.http.get("/courses/cluster-manager", headers={"Accept": "application/json"})

    assert html.headers["content-type"].startswith("text/html")
    assert linked.headers["content-type"] == "application/ld+json"
    assert linked.json()["@type"] == "Course"
    assert linked.json()["hasCourseInstance"][0]["startDate"] == "2026-09-08"
    assert record.json() == (await desk.get("/catalogue/courses/cluster-manager")).json()
    assert len({answer.headers["etag"] for answer in (html, linked, record)}) == 3
    for answer in (html, linked, record):
        assert "Accept" in answer.headers["vary"]


async def test_the_page_embeds_the_same_linked_data_and_runs_no_script_of_its_own(desk: Any) -> None:
    await desk.offering(await desk.published(title={"en": "</script><b>Cluster & Co"}))

    html = await page(desk, "/courses/cluster-manager")

    [embedded] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html.text, re.DOTALL)
    linked = await desk.http.get("/courses/cluster-manager", headers={"Accept": "application/ld+json"})
    assert json.loads(embedded) == linked.json()
    assert html.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<b>Cluster" not in html.text
    assert not re.search(r'\sstyle="|\son\w+="|<script>', html.text)


SPOKEN = {
    "en": ["Cluster Manager", "10 ECVET points", "20 seats", "September 2026", "Sweden"],
    "sv": ["10 ECVET-poäng", "20 platser", "september 2026", "På plats och online", "Sverige"],
    "fi": ["Klusterijohtaja", "10 ECVET-pistettä", "20 paikkaa", "syyskuu 2026", "Ruotsi"],
    "lt": ["10 ECVET kreditų", "20 vietų", "Švedija", "Ekspertų balsai"],
    "de": ["10 ECVET-Punkte", "20 Plätze", "September 2026", "Schweden"],
}


async def test_the_course_page_speaks_five_languages(desk: Any) -> None:
    await desk.offering(await desk.published())
    for language, words in SPOKEN.items():
        answer = await page(desk, f"/courses/cluster-manager?lang={language}")

        assert answer.headers["content-language"] == language
        assert f'<html lang="{language}">' in answer.text
        for word in words:
            assert word in answer.text


async def test_a_page_that_did_not_change_answers_304(desk: Any) -> None:
    await desk.published()

    for path in ("/courses", "/courses/cluster-manager"):
        for accept in (BROWSER["Accept"], "application/ld+json", "application/json"):
            first = await desk.http.get(path, headers={"Accept": accept})
            same = await desk.http.get(path, headers={"Accept": accept, "If-None-Match": first.headers["etag"]})
            assert (first.status_code, same.status_code, same.content) == (200, 304, b""), (path, accept)


async def test_the_catalogue_page_filters_by_facets_in_the_address(desk: Any) -> None:
    await desk.offering(await desk.published())
    await desk.published(slug="other", title={"en": "Something else"}, language="sv")

    everything = await page(desk, "/courses")
    swedish = await page(desk, "/courses?country=SE&teaching=en&start=2026-autumn&lang=en")
    nothing = await page(desk, "/courses?q=maritime&teaching=%3Cscript%3E")
    machine = await desk.http.get("/courses?country=SE", headers={"Accept": "application/json"})
    linked = await desk.http.get("/courses?country=SE", headers={"Accept": "application/ld+json"})

    assert "2 courses" in everything.text
    assert "1 course<" in swedish.text
    assert "Something else" not in swedish.text
    assert swedish.text.count(" checked>") == 3
    assert "No course fits" in nothing.text
    assert "&lt;script&gt;" not in nothing.text
    assert [item["slug"] for item in machine.json()["items"]] == ["cluster-manager"]
    assert linked.json()["numberOfItems"] == 1


async def test_an_empty_catalogue_says_why(desk: Any) -> None:
    assert "No course is published yet" in (await page(desk, "/courses")).text


async def test_a_missing_and_a_withdrawn_course_have_a_page_and_a_problem(desk: Any) -> None:
    version = await desk.published()
    await desk.done(f"/programmes/{version['programme_id']}/withdrawal", {"reason": "Over"})

    for path, status, words in (
        ("/courses/unknown", 404, "There is no such course"),
        ("/courses/cluster-manager", 410, "This course is no longer offered"),
    ):
        html = await page(desk, path)
        machine = await desk.http.get(path, headers={"Accept": "application/json"})
        assert (html.status_code, machine.status_code) == (status, status)
        assert words in html.text
        assert machine.headers["content-type"] == "application/problem+json"


async def test_searching_is_bounded(desk: Any) -> None:
    assert (await page(desk, "/courses?q=" + "x" * 201)).status_code == 422
