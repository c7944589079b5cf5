import pytest
from cme_contracts import Event, all_event_types, event
from cme_contracts.documents import asyncapi, event_schema, incompatibilities
from cme_contracts.registry import DeclarationError
from pydantic import Field


def declare(type_: str, description: str | None = "An id") -> None:
    class Body(Event):
        thing_id: str = Field(description=description)

    event(type_)(Body)


@pytest.mark.parametrize(
    "type_",
    [
        "com.clustereducation.enrolment.learner.enrolled",
        "com.clustereducation.enrolment.learner.enrol.v1",
        "enrolment.learner.enrolled.v1",
        "com.clustereducation.enrolment.learner.enrolled.v1",
    ],
    ids=["no version", "no past participle", "no prefix", "declared twice"],
)
def test_an_unsound_declaration_is_refused(type_: str) -> None:
    all_event_types()

    with pytest.raises(DeclarationError):
        declare(type_)


def test_a_field_without_a_description_is_refused() -> None:
    with pytest.raises(DeclarationError, match="thing_id"):
        declare("com.clustereducation.enrolment.thing.described.v1", None)


def test_personal_data_travels_apart() -> None:
    for kind in all_event_types():
        assert kind.subject.startswith("cme.personal.") == kind.personal_data


def test_events_without_personal_data_have_no_field_for_it() -> None:
    personal = {"given_name", "family_name", "email", "phone", "birth_date", "address"}

    for kind in all_event_types():
        if not kind.personal_data:
            assert not personal & set(kind.model.model_fields), kind.type


def test_what_only_webhooks_tell_is_not_in_the_document_of_the_bus() -> None:
    channels = {channel["address"] for channel in asyncapi()["channels"].values()}

    assert channels == {kind.subject for kind in all_event_types() if kind.on_bus}
    assert any(not kind.on_bus for kind in all_event_types())


def schema(**fields: object) -> dict[str, object]:
    required = [name for name, field in fields.items() if field == "required"]
    return {"properties": {name: {"type": "string"} for name in fields}, "required": required}


def test_only_an_added_optional_field_is_compatible() -> None:
    old = schema(a="required", b="optional")

    assert incompatibilities(old, schema(a="required", b="optional", c="optional")) == []
    assert incompatibilities(old, schema(a="required", b="optional", c="required")) == ["c became required"]
    assert incompatibilities(old, schema(a="required")) == ["b is gone"]
    assert incompatibilities(old, schema(a="optional", b="optional")) == ["a became optional"]


def test_every_event_is_compatible_with_itself() -> None:
    for kind in all_event_types():
        assert incompatibilities(event_schema(kind), event_schema(kind)) == []
