"""The document says what a signature says, and answers that it does not have fail the tests of a service."""

from typing import Annotated, Any

import httpx
import pytest
from cme_kit.auth import Principal, Public, Requires
from cme_kit.documented import Documented, Undocumented
from cme_kit.http import ConditionalRequest, ExpectedRevision, Once, Paged, Tagged, service_router
from cme_kit.openapi import api_routes, openapi_of
from cme_kit.openapi_answers import inline_answers, problem_codes, refusals, share_answers
from cme_kit.problems import Conflict, Problem, ServiceError, Unprocessable, install_problem_handlers
from cme_kit.schemas import Page, Schema
from fastapi import FastAPI, Query, UploadFile


class Letter(Schema):
    letter_id: str


class AlreadySent(Conflict):
    """A letter is sent once."""

    code = "already_sent"


class Unsealed(Unprocessable):
    """A letter needs a seal."""

    code = "unsealed"


class Burned(ServiceError):
    """Nobody documented this."""

    code, status = "burned", 410


def app_of_letters() -> FastAPI:
    router = service_router("letters", "/letters")

    @router.get("")
    async def listed(
        _: Annotated[None, Public()], paging: Paged, sender: Annotated[str | None, Query(max_length=9)] = None
    ) -> Page[Letter]:
        """Everybody."""
        return Page(items=[])

    @router.post("", status_code=201, responses=refusals(AlreadySent, Unsealed))
    async def written(
        _: Annotated[Principal, Requires("letters:write", "letters:sign")], new: Letter, once: Once
    ) -> Letter:
        """Some."""
        return new

    @router.put("/{letter_id}")
    async def changed(
        letter_id: str, _: Annotated[Principal, Requires("letters:write")], revision: ExpectedRevision, etag: Tagged
    ) -> Letter:
        """With the revision."""
        return Letter(letter_id=letter_id)

    @router.get("/{letter_id}")
    async def read(letter_id: str, _: Annotated[None, Public()], held: ConditionalRequest) -> Letter:
        """What is asked again."""
        if letter_id == "burned":
            raise Burned("It is gone.")
        return Letter(letter_id=letter_id)

    @router.post("/{letter_id}/weighing")
    async def weighed(letter_id: str, new: Letter, _: Annotated[None, Public()]) -> Letter:
        """Something with a body."""
        return new

    @router.delete("/{letter_id}", status_code=204)
    async def burned(letter_id: str, _: Annotated[None, Public()]) -> None:
        """Nothing is left."""

    app = FastAPI(responses={"4XX": {"model": Problem}})
    install_problem_handlers(app)
    app.include_router(router)
    return app


@pytest.fixture(scope="module")
def document() -> Any:
    made = openapi_of(app_of_letters())
    inline_answers(made)
    return made


def codes(operation: Any) -> dict[str, set[str]]:
    return {status: problem_codes(answer) for status, answer in operation["responses"].items() if problem_codes(answer)}


def names(operation: Any) -> dict[str, bool]:
    return {parameter["name"]: parameter["required"] for parameter in operation["parameters"]}


def test_endpoints_of_included_routers_are_listed_with_their_rule(document: Any) -> None:
    operations = document["paths"]["/letters"]

    assert [route.path for route in api_routes(app_of_letters())][:2] == ["/letters", "/letters"]
    assert operations["get"]["security"] == []
    assert operations["post"]["security"] == [{"oauth2": ["letters:write"]}, {"oauth2": ["letters:sign"]}]


def test_problems_follow_from_the_signature_and_from_what_the_endpoint_names(document: Any) -> None:
    assert codes(document["paths"]["/letters"]["post"]) == {
        "400": {"malformed_json", "bad_idempotency_key"},
        "401": {"invalid_token", "invalid_dpop_proof", "use_dpop_nonce"},
        "403": {"insufficient_scope"},
        "409": {"already_sent"},
        "415": {"unsupported_media_type"},
        "422": {"invalid_request", "idempotency_key_reused", "unsealed"},
        "500": {"internal_error"},
        "503": {"unavailable"},
    }


def test_a_change_of_a_revision_asks_for_it_and_names_the_new_one(document: Any) -> None:
    operation = document["paths"]["/letters/{letter_id}"]["put"]

    assert names(operation) == {"letter_id": True, "If-Match": True}
    assert set(codes(operation)) == {"401", "403", "404", "412", "428", "500", "503"}
    assert set(operation["responses"]["200"]["headers"]) == {"ETag"}


def test_reading_again_may_answer_that_nothing_changed(document: Any) -> None:
    operation = document["paths"]["/letters/{letter_id}"]["get"]

    assert names(operation) == {"letter_id": True, "If-None-Match": False}
    assert set(operation["responses"]["304"]["headers"]) == {"ETag"}


def test_no_parameter_is_null_on_the_wire(document: Any) -> None:
    operation = document["paths"]["/letters"]["get"]

    assert [parameter["schema"].get("type") for parameter in operation["parameters"]] == ["string", "string", "integer"]
    assert set(operation["responses"]["200"]["headers"]) == {"Link"}


def test_answers_that_several_operations_have_stand_once_and_can_be_written_out_again() -> None:
    document = openapi_of(app_of_letters())

    answer = document["paths"]["/letters"]["post"]["responses"]["403"]
    assert answer == {"$ref": "#/components/responses/InsufficientScope"}
    inline_answers(document)
    written_out = str(document)
    share_answers(document)
    inline_answers(document)
    assert str(document) == written_out


def client(app: FastAPI) -> httpx.AsyncClient:
    hooks: dict[str, Any] = {"response": [Documented.of_app(app).check_soon]}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://letters.test", event_hooks=hooks)


async def test_an_answer_that_is_not_documented_fails_whoever_asked() -> None:
    async with client(app_of_letters()) as letters:
        assert (await letters.get("/letters/let_1")).status_code == 200
        assert (await letters.get("/nothing")).status_code == 404
        assert (await letters.patch("/letters")).status_code == 405
        with pytest.raises(Undocumented, match=r"letters_read.* answers 410"):
            await letters.get("/letters/burned")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_a_body_that_is_not_declared_as_json_is_refused(media_type: str) -> None:
    async with client(app_of_letters()) as letters:
        answer = await letters.post(
            "/letters/let_1/weighing", content=b'{"letter_id": "let_1"}', headers={"Content-Type": media_type}
        )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_nothing_has_no_type() -> None:
    async with client(app_of_letters()) as letters:
        answer = await letters.delete("/letters/let_1")

    assert (answer.status_code, answer.headers.get("content-type")) == (204, None)


async def test_every_json_type_is_parsed_strictly() -> None:
    async with client(app_of_letters()) as letters:
        answers = [
            await letters.post(
                "/letters/let_1/weighing", content=body, headers={"Content-Type": "application/merge+json"}
            )
            for body in (b'{"letter_id": "let_1"}', b'{"letter_id": NaN}')
        ]

    assert [answer.status_code for answer in answers] == [200, 400]


async def test_a_revision_that_fits_no_number_is_no_revision() -> None:
    router = service_router("letters", "/letters")

    @router.put("")
    async def changed(_: Annotated[None, Public()], revision: ExpectedRevision) -> int:
        """With the revision."""
        return revision

    app = FastAPI(responses={"4XX": {"model": Problem}})
    install_problem_handlers(app)
    app.include_router(router)
    async with client(app) as letters:
        answers = [await letters.put("/letters", headers={"If-Match": f'"{tag}"'}) for tag in ("7", "9" * 19, "x")]

    assert [answer.status_code for answer in answers] == [200, 412, 412]


def test_an_endpoint_of_two_kinds_with_one_status_documents_both() -> None:
    answer = refusals(AlreadySent, Conflict)[409]

    assert problem_codes(answer) == {"already_sent", "conflict"}


def test_a_file_that_may_be_left_out_is_a_file_and_never_null() -> None:
    router = service_router("letters", "/letters")

    @router.post("")
    async def sent(_: Annotated[None, Public()], scan: UploadFile | None = None) -> None:
        """With a scan of it."""

    app = FastAPI(responses={"4XX": {"model": Problem}})
    app.include_router(router)

    (form,) = [one for name, one in openapi_of(app)["components"]["schemas"].items() if name.startswith("Body")]
    assert form["properties"]["scan"]["type"] == "string"
    assert form["properties"]["scan"]["format"] == "binary"


def test_answers_can_be_held_against_a_served_document_by_whoever_is_no_part_of_the_app() -> None:
    documented = Documented.of_document(openapi_of(app_of_letters()), "/letters")

    def answered(method: str, path: str, status: int, body: Any) -> httpx.Response:
        return httpx.Response(status, json=body, request=httpx.Request(method, f"http://letters.test{path}"))

    documented.check(answered("GET", "/letters/let_1", 200, {"letter_id": "let_1"}))
    documented.check(answered("GET", "/parcels", 410, {}))
    with pytest.raises(Undocumented, match="answers 410"):
        documented.check(answered("GET", "/letters/let_1", 410, {}))
