"""The public verification over HTTP: by document, by address, by form; bad requests get a problem document."""

import json
from typing import Any

BAD_REQUESTS = [
    (b"{", 400, "malformed_json"),
    (b'{"credential": {"a": NaN}}', 400, "malformed_json"),
    (b"{}", 422, "invalid_request"),
    (b'{"credential": {}, "url": "http://gateway.test/badges/x"}', 422, "invalid_request"),
    (b'{"credential": []}', 422, "invalid_request"),
    (b'{"credential": {}, "extra": 1}', 422, "invalid_request"),
    (b'{"url": "https://evil.example/badges/x"}', 422, "foreign_address"),
    (b'{"url": "http://gateway.test.evil.example/badges/x"}', 422, "foreign_address"),
    (b'{"url": "http://gateway.test/badges/cred_unknown"}', 404, "not_found"),
    (b'{"credential": {"a": "' + b"x" * 300_000 + b'"}}', 413, "document_too_large"),
    (b'{"credential": ' + b'{"a":' * 40 + b"1" + b"}" * 41, 400, "malformed_json"),
]


async def test_a_badge_is_verified_by_its_document_and_by_its_address_until_it_is_revoked(world: Any) -> None:
    award = await world.award()
    signed = await world.signed(award)

    before = await world.verify(signed)
    await world.revoke(award)
    after = await world.service.http.post("/credentials/v1/verification", json={"url": award["url"]})

    assert before["verified"]
    assert not after.json()["verified"]
    failed = [name for name, result in world.results(after.json()).items() if result == "failed"]
    assert failed == ["status"]


async def test_bad_requests_get_a_problem_document(world: Any) -> None:
    headers = {"Content-Type": "application/json"}

    for body, status, code in BAD_REQUESTS:
        answer = await world.service.http.post("/credentials/v1/verification", content=body, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (status, code), body[:80]
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_form_verifies_a_text_a_link_and_an_image_and_says_what_to_do_otherwise(
    world: Any,
) -> None:
    http = world.service.http
    signed_badge = await world.signed(await world.award())
    image = (await http.get(signed_badge["id"].removeprefix("http://gateway.test") + "/image.svg")).content

    empty = await http.get("/verify")
    by_text = await http.post("/verify", data={"text": json.dumps(signed_badge)})
    by_link = await http.post("/verify", data={"text": signed_badge["id"]})
    by_image = await http.post("/verify", files={"file": ("badge.svg", image, "image/svg+xml")})
    by_nothing = await http.post("/verify", data={"text": "hello"})
    foreign = await http.post("/verify", data={"text": "https://evil.example/x"})
    large = await http.post("/verify", files={"file": ("x.json", b"x" * 300_000, "application/json")})

    assert empty.status_code == 200
    for answer in (by_text, by_link, by_image):
        assert answer.status_code == 200
        assert "This badge is valid" in answer.text
    assert [by_nothing.status_code, foreign.status_code, large.status_code] == [422, 422, 413]
    assert "<title>Error:" in by_nothing.text
    assert "default-src 'self'" in by_text.headers["content-security-policy"]
