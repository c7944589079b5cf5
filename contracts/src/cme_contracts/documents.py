"""What is generated from the registry: JSON Schemas and an AsyncAPI 3 document; and what may change in them."""

from __future__ import annotations

from typing import Any

from cme_contracts.envelope import CONTENT_TYPE, SCHEMA_BASE, CloudEvent
from cme_contracts.examples import example_of
from cme_contracts.registry import EventType, all_event_types

JsonObject = dict[str, Any]
LICENSE = {"name": "EUPL-1.2", "url": "https://eupl.eu/1.2/en/"}
CONTACT = {
    "name": "The programme's API office",
    "url": "https://clustereducation.example/docs",
    "email": "api@clustereducation.example",
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schema(event_type: EventType) -> JsonObject:
    """The JSON Schema of an event's body, with the registry's facts about it."""
    schema = event_type.model.model_json_schema(mode="serialization")
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_BASE + event_type.schema_file,
        "x-subject": event_type.subject,
        "x-personal-data": event_type.personal_data,
        **schema,
        "examples": [example_of(event_type).data],
    }


def all_schemas() -> dict[str, JsonObject]:
    """Every event's schema by file name, and the envelope's."""
    envelope = {"$schema": DIALECT, "$id": SCHEMA_BASE + "cloudevent.json", **CloudEvent.model_json_schema()}
    return {"cloudevent.json": envelope} | {kind.schema_file: event_schema(kind) for kind in all_event_types()}


def asyncapi() -> JsonObject:
    """The AsyncAPI 3.0 document of the bus: a channel, a message and the owner's send operation per event."""
    channels: JsonObject = {}
    operations: JsonObject = {}
    messages: JsonObject = {}
    for kind in all_event_types():
        if not kind.on_bus:
            continue
        name = kind.type.removeprefix("com.clustereducation.")
        summary = (kind.model.__doc__ or "").strip().splitlines()[0]
        messages[name] = {
            "name": kind.type,
            "title": name,
            "summary": summary,
            "contentType": CONTENT_TYPE,
            "headers": {"type": "object", "properties": {"Nats-Msg-Id": {"type": "string", "format": "uuid"}}},
            "payload": {
                "allOf": [
                    {"$ref": "./schemas/cloudevent.json"},
                    {
                        "type": "object",
                        "properties": {
                            "type": {"const": kind.type},
                            "data": {"$ref": f"./schemas/{kind.schema_file}"},
                        },
                    },
                ]
            },
            "tags": [{"name": "personal data"}] if kind.personal_data else [],
            "examples": [{"payload": example_of(kind).model_dump(mode="json", exclude_none=True)}],
        }
        channels[name] = {
            "address": kind.subject,
            "description": summary,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        operations[f"send.{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"{kind.service} states: {summary}",
            "description": "Published at least once, in the order of its subject, after the transaction that it states.",
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events of Cluster Manager Education",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in structured JSON on NATS JetStream. "
            "Each is delivered at least once; its `id` tells a repetition.",
            "license": LICENSE,
            "contact": CONTACT,
            "tags": [
                {"name": service, "description": f"Facts that {service} states"}
                for service in sorted({kind.service for kind in all_event_types()})
            ],
        },
        "servers": {
            "broker": {
                "host": "nats:4222",
                "protocol": "nats",
                "description": "Inside the platform only; partners are told by webhooks.",
            }
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def incompatibilities(old: JsonObject, new: JsonObject) -> list[str]:
    """What keeps `new` from replacing `old` under the same version; only added optional fields are compatible."""
    found = _object_changes("", old, new)
    for name, definition in old.get("$defs", {}).items():
        if name not in new.get("$defs", {}):
            found.append(f"definition {name} is gone")
        else:
            found += _object_changes(f"{name}.", definition, new["$defs"][name])
    return found


def _object_changes(where: str, old: JsonObject, new: JsonObject) -> list[str]:
    found = []
    before, after = old.get("properties", {}), new.get("properties", {})
    for name, field in before.items():
        if name not in after:
            found.append(f"{where}{name} is gone")
        elif _shape(field) != _shape(after[name]):
            found.append(f"{where}{name} has another type")
    required_before, required_after = set(old.get("required", [])), set(new.get("required", []))
    found += [f"{where}{name} became required" for name in sorted(required_after - required_before)]
    found += [f"{where}{name} became optional" for name in sorted(required_before - required_after)]
    return found


def _shape(field: Any) -> Any:
    """A field's schema without the words about it."""
    if isinstance(field, dict):
        return {key: _shape(value) for key, value in field.items() if key not in {"description", "title"}}
    if isinstance(field, list):
        return [_shape(item) for item in field]
    return field
