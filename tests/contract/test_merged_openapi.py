"""The document that the gateway serves, merged from every service's."""

from __future__ import annotations

from typing import Any

from gateway.edge.routes import Routes
from gateway.oauth.scopes import SCOPES
from gateway.reference.document import METHODS, committed
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_service_is_in_it(document: dict[str, Any]) -> None:
    services = {path.split("/")[1] for path in document["paths"]}

    assert {"enrolment", "curriculum", "assessment", "credentials", "outreach"} <= set(committed())
    assert set(committed()) | {"gateway"} <= services


def test_every_scope_that_an_operation_asks_for_can_be_granted(document: dict[str, Any]) -> None:
    asked = {
        scope
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in METHODS
        for alternative in operation.get("security", [])
        for scopes in alternative.values()
        for scope in scopes
    }

    assert asked <= set(SCOPES)


def test_the_edge_lets_pass_without_a_token_what_services_answer_without_one(document: dict[str, Any]) -> None:
    routes = Routes.load()

    different = [
        f"{method} {template}"
        for template, item in document["paths"].items()
        for method in set(item) & set(METHODS)
        if (path := template.replace("{", "").replace("}", "")) and (route := routes.of(path)) is not None
        if route.is_public(method.upper(), path) == bool(item[method].get("security"))
    ]

    assert different == []


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item[method] for item in document["paths"].values() for method in item if method in METHODS]


def test_every_operation_says_what_it_is_and_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    found = operations(document)

    assert len({operation["operationId"] for operation in found}) == len(found)
    assert [o["operationId"] for o in found if not (o["summary"] and o["description"] and o["tags"])] == []


def test_every_operation_documents_what_the_edge_may_answer(document: dict[str, Any]) -> None:
    own = {"400", "414", "415", "431"}
    missing = {
        operation["operationId"]: sorted(wanted - set(operation["responses"]))
        for operation in operations(document)
        if (wanted := own if operation["tags"] == ["gateway"] else own | {"401", "429", "502", "503", "504"})
        if wanted - set(operation["responses"])
    }

    assert missing == {}


def test_every_private_operation_documents_that_a_token_is_needed_and_a_scope(document: dict[str, Any]) -> None:
    private = [operation for operation in operations(document) if operation["security"]]

    assert [o["operationId"] for o in private if not {"401", "403"} <= set(o["responses"])] == []


def test_every_failure_is_a_problem_document_of_one_shape(document: dict[str, Any]) -> None:
    def media_types(answer: dict[str, Any]) -> set[str]:
        name = answer.get("$ref", "").rpartition("/")[2]
        return set((document["components"]["responses"][name] if name else answer)["content"])

    failures = [
        (operation["operationId"], status)
        for operation in operations(document)
        for status, answer in operation["responses"].items()
        if status >= "400" and "application/problem+json" not in media_types(answer)
    ]

    assert failures == []
    assert [name for name in document["components"]["schemas"] if name.endswith("Problem")] == ["Problem"]


def test_the_id_of_what_was_created_leads_to_the_operations_on_it(document: dict[str, Any]) -> None:
    links = document["paths"]["/enrolment/v1/calls"]["post"]["responses"]["201"]["links"]

    assert links["enrolment.calls_read_call"]["parameters"] == {"call_id": "$response.body#/call_id"}
    assert links["enrolment.calls_change_call"]["parameters"] == {
        "call_id": "$response.body#/call_id",
        "If-Match": "$response.header.ETag",
    }


def test_what_a_list_shows_can_be_read_and_one_service_leads_to_what_another_knows_of_it(
    document: dict[str, Any],
) -> None:
    answers = document["paths"]["/enrolment/v1/learners"]["get"]["responses"]
    course = document["paths"]["/curriculum/v1/catalogue/courses"]["get"]["responses"]["200"]["links"]

    transcript = answers["200"]["links"]["assessment.transcripts_read_transcript"]
    assert transcript["parameters"] == {"enrolment_id": "$response.body#/items/0/enrolment_id"}
    assert "enrolment.learners_withdraw_learner" not in answers["200"]["links"]
    assert course["curriculum.catalogue_get_course"]["parameters"] == {"slug": "$response.body#/items/0/slug"}


def json_bodies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schema of each JSON body by the operation; one that is null at will is the other one."""
    found = {}
    for operation in operations(document):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            reference = next((one for one in schema.get("anyOf", [schema]) if "$ref" in one), schema)
            name = reference.get("$ref", "").rpartition("/")[2]
            found[operation["operationId"]] = document["components"]["schemas"][name] if name else reference
    return found


def test_every_json_body_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    wrong = {
        name: [error.message for error in Draft202012Validator({**schema, **rooted(document)}).iter_errors(example)]
        for name, schema in json_bodies(document).items()
        for example in schema.get("examples", [])
    }

    assert [name for name, schema in json_bodies(document).items() if not schema.get("examples")] == []
    assert {name: errors for name, errors in wrong.items() if errors} == {}


def rooted(document: dict[str, Any]) -> dict[str, Any]:
    """What references of a schema are resolved by when it stands alone."""
    return {"components": document["components"]}
