"""What anyone sees of a badge: a page for people, the signed document for software, nothing of an unfinished one."""

import re
from typing import Any

from cme_contracts.enrolment import PersonErased
from cme_kit.testing import eventually

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def page(world: Any, award: dict, **query: str) -> str:
    answer = await world.service.http.get(f"/badges/{award['credential_id']}", params=query, headers=BROWSER)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-robots-tag"] == "noindex"
    return answer.text


async def test_the_page_names_the_holder_and_every_check_and_keeps_to_its_policy(world: Any) -> None:
    html = await page(world, await world.award())

    assert "Ieva Petrauskaitė" in html
    assert "This badge is valid" in html
    assert html.count('<li class="ok">') == 6
    assert '<meta name="robots" content="noindex">' in html
    assert "Facilitates a workshop &lt;M1-S1&gt; &amp; builds trust" in html
    assert not re.search(r"<script(?! src)|<[a-z]+[^>]* style=", html.split("</style>")[-1])


SENTENCES = {
    "sv": ("Märket är giltigt", "Alla 6 kontroller godkända", "5 ECVET-poäng"),
    "fi": ("Osaamismerkki on voimassa", "Kaikki 6 tarkistusta läpäisty", "5 ECVET-pistettä"),
    "lt": ("Šis ženklelis galioja", "Visos 6 patikros sėkmingos", "5 ECVET taškai"),
    "de": ("Dieses Badge ist gültig", "Alle 6 Prüfungen bestanden", "5 ECVET-Punkte"),
}


async def test_the_page_speaks_the_language_that_is_asked_for(world: Any) -> None:
    award = await world.award()

    for language, sentences in SENTENCES.items():
        html = await page(world, award, lang=language)

        assert f'<html lang="{language}">' in html
        for sentence in sentences:
            assert sentence in html


async def test_the_name_is_gone_once_the_person_is_erased_and_the_badge_stays_valid(world: Any) -> None:
    award = await world.award()
    await world.bus.publish(award["person_id"], PersonErased(person_id=award["person_id"]))

    async def nameless() -> bool:
        return "Petrauskaitė" not in await page(world, award)

    await eventually(nameless)
    html = await page(world, award)
    assert "A person whose name was erased" in html
    assert "This badge is valid" in html


async def test_software_gets_the_signed_document(world: Any) -> None:
    award = await world.award()

    for media_type in ("application/vc+ld+json", "application/ld+json", "application/json"):
        answer = await world.service.http.get(f"/badges/{award['credential_id']}", headers={"Accept": media_type})

        assert answer.headers["content-type"] == media_type
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Accept" in answer.headers["vary"]
        assert answer.json()["proof"]["cryptosuite"] == "eddsa-rdfc-2022"


async def test_an_unknown_badge_is_a_page_for_people_and_a_problem_for_software(world: Any) -> None:
    for_people = await world.service.http.get("/badges/cred_unknown", headers=BROWSER)
    for_software = await world.service.http.get("/badges/cred_unknown", headers={"Accept": "application/json"})
    image = await world.service.http.get("/badges/cred_unknown/image.svg")

    assert (for_people.status_code, for_software.status_code, image.status_code) == (404, 404, 404)
    assert "No such badge" in for_people.text
    assert for_software.headers["content-type"] == "application/problem+json"


async def test_an_achievement_has_a_page_a_document_and_a_drawing(world: Any) -> None:
    award = await world.award()
    path = f"/credentials/v1/achievements/{award['achievement_id']}"
    http = world.service.http

    document = (await http.get(path, headers={"Accept": "application/json"})).json()
    html = (await http.get(path, headers=BROWSER)).text
    drawing = await http.get(f"{path}/image.svg")

    signed = await world.signed(award)
    assert document == signed["credentialSubject"]["achievement"]
    assert "Collaboration &amp; Leadership" in html
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert (await http.get(path.replace("ach_", "ach_x"))).status_code == 404
    assert (await http.get("/credentials/v1/status/7")).status_code == 404
    assert (await http.get("/credentials/v1/status/none")).status_code == 422
