"""The AsyncAPI 3.0 document of what webhooks tell, with every schema in it."""

from __future__ import annotations

from typing import Any

from cme_contracts import CloudEvent
from cme_contracts.documents import CONTACT, LICENSE
from cme_contracts.envelope import CONTENT_TYPE, SCHEMA_BASE
from cme_contracts.examples import example_of
from pydantic import BaseModel

from gateway.webhooks.domain import SCHEDULE
from gateway.webhooks.offering import OFFERED, Audience, Offer

JsonObject = dict[str, Any]
SCHEMAS = "#/components/schemas/"
DESCRIPTION = (
    "Every event reaches the webhooks that want its type, of clients that may know it: CloudEvents 1.0 in structured "
    "JSON, signed as Standard Webhooks 1.0 says, at least once and in no promised order; `webhook-id` tells a "
    "repetition. Answer 2xx within 20 seconds. Anything else is tried again "
    f"{len(SCHEDULE) - 1} times within about three days; 410 ends the webhook. "
    "Make webhooks at /gateway/v1/webhooks, where a sample of each event can be sent."
)
TOLD_TO = {
    Audience.EVERYBODY: "every client",
    Audience.CONCERNED: "clients of the organisations that it concerns",
    Audience.OPERATORS: "the operators' own systems",
    Audience.OWNER: "the other webhooks of the same client",
}
_HEADERS: JsonObject = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {
            "type": "string",
            "format": "uuid",
            "description": "The event's `id`, the same at each attempt: remember it, and pass over what you had",
        },
        "webhook-timestamp": {
            "type": "integer",
            "description": "When this attempt was made, seconds since 1970: refuse what is older than five minutes",
        },
        "webhook-signature": {
            "type": "string",
            "description": "Of `{webhook-id}.{webhook-timestamp}.{body}`, one for each key in use, with spaces between",
            "examples": [
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
            ],
        },
    },
}


def asyncapi() -> JsonObject:
    """One channel, the receiver's address, and a message for every event that is offered."""
    schemas: JsonObject = {"CloudEvent": _schema(CloudEvent, {})}
    messages: JsonObject = {}
    for type_, offer in sorted(OFFERED.items()):
        messages[_name(type_)] = _message(type_, offer, schemas)
    refs = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events of Cluster Manager Education",
            "version": "1.0.0",
            "description": DESCRIPTION,
            "license": LICENSE,
            "contact": CONTACT,
            "tags": [
                {"name": service, "description": f"Facts that {service} states"}
                for service in sorted({offer.event_type.service for offer in OFFERED.values()})
            ],
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "webhook": {
                "address": None,
                "title": "Your webhook",
                "description": "The URL that you gave when you made the webhook",
                "messages": refs,
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "channel": {"$ref": "#/channels/webhook"},
                "summary": "An event is told, one request each",
                "description": "Sent to the webhooks that want its type and whose client may know it.",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
                "messages": [{"$ref": f"#/channels/webhook/messages/{name}"} for name in messages],
            }
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _message(type_: str, offer: Offer, schemas: JsonObject) -> JsonObject:
    model = offer.event_type.model
    schemas[model.__name__] = _schema(model, schemas)
    summary = (model.__doc__ or "").strip().splitlines()[0]
    needs = f"Needs the scope `{offer.scope}`." if offer.scope else "Needs no scope."
    body = {
        "type": "object",
        "properties": {
            "type": {"const": type_},
            "dataschema": {"const": SCHEMA_BASE + offer.event_type.schema_file},
            "data": {"$ref": SCHEMAS + model.__name__},
        },
    }
    example = example_of(offer.event_type).model_dump(mode="json", exclude_none=True)
    return {
        "name": type_,
        "title": _name(type_),
        "summary": summary,
        "description": f"{needs} Told to {TOLD_TO[offer.audience]}.",
        "contentType": CONTENT_TYPE,
        "headers": _HEADERS,
        "payload": {"allOf": [{"$ref": SCHEMAS + "CloudEvent"}, body]},
        "tags": [{"name": offer.event_type.service}],
        "examples": [{"name": "sample", "summary": "As a test sends it", "payload": example}],
        "x-scope": offer.scope,
    }


def _schema(model: type[BaseModel], schemas: JsonObject) -> JsonObject:
    """A model's schema; what it refers to is put beside it."""
    schema = model.model_json_schema(ref_template=SCHEMAS + "{model}", mode="serialization")
    schemas.update(schema.pop("$defs", {}))
    return schema


def _name(type_: str) -> str:
    return type_.removeprefix("com.clustereducation.")
