"""Who may call what."""

from typing import Any

WRITES = [
    ("POST", "/profiles", "curriculum.profiles:write"),
    ("POST", "/programmes", "curriculum.programmes:write"),
    ("PUT", "/programmes/prg_1/versions/1", "curriculum.programmes:write"),
    ("POST", "/programmes/prg_1/versions", "curriculum.programmes:write"),
    ("POST", "/programmes/prg_1/versions/1/publication", "curriculum.programmes:write"),
    ("POST", "/programmes/prg_1/withdrawal", "curriculum.programmes:write"),
    ("POST", "/programmes/prg_1/versions/1/review", "curriculum.reviews:write"),
    ("POST", "/reviews/rev_1/comments", "curriculum.reviews:comment"),
    ("POST", "/reviews/rev_1/comments/cmt_1/resolution", "curriculum.reviews:write"),
    ("POST", "/reviews/rev_1/votes", "curriculum.reviews:comment"),
    ("POST", "/reviews/rev_1/withdrawal", "curriculum.reviews:write"),
    ("POST", "/offerings", "curriculum.offerings:write"),
    ("PUT", "/offerings/off_1", "curriculum.offerings:write"),
    ("POST", "/offerings/off_1/cancellation", "curriculum.offerings:write"),
]
READS = [
    ("GET", "/programmes", "curriculum.programmes:write"),
    ("GET", "/programmes/prg_1", "curriculum.programmes:write"),
    ("GET", "/programmes/prg_1/versions/1", "curriculum.programmes:write"),
    ("GET", "/reviews", "curriculum.reviews:comment"),
    ("GET", "/reviews/rev_1", "curriculum.reviews:comment"),
]
PUBLIC = ["/profiles", "/skills", "/offerings", "/catalogue/courses", "/catalogue/changes"]


async def test_every_protected_endpoint_asks_for_its_scope(desk: Any) -> None:
    scopes = {scope for _, _, scope in WRITES}
    for method, path, scope in (*WRITES, *READS):
        others = scopes - {scope} if method != "GET" else {"curriculum.offerings:write"}
        address = f"/curriculum/v1{path}"

        missing = await desk.http.request(method, address)
        wrong = await desk.http.request(method, address, headers=desk.tokens.bearer("client-x", *others))

        assert missing.status_code == 401, path
        assert wrong.status_code == 403, path
        assert wrong.json()["code"] == "insufficient_scope"
        assert missing.headers["content-type"] == "application/problem+json"


async def test_the_catalogue_needs_no_token(desk: Any) -> None:
    for path in PUBLIC:
        assert (await desk.get(path)).status_code == 200


async def test_an_unknown_record_answers_404(desk: Any) -> None:
    for path in ("/programmes/prg_1", "/programmes/prg_1/versions/1", "/reviews/rev_1"):
        assert (await desk.get(path, desk.coordinator)).status_code == 404
    for path in (
        "/offerings/off_1",
        "/profiles/prf_1",
        "/catalogue/courses/none",
        "/catalogue/courses/none/versions/1",
    ):
        answer = await desk.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_service_starts_by_its_composition_root_and_counts_its_events(desk: Any) -> None:
    await desk.published()

    figures = await desk.get("/operations/figures", desk.tokens.bearer("op", "operations:read"))

    assert figures.json()["service"] == "curriculum"
    assert figures.json()["events_published"] + figures.json()["events_pending"] == 1
