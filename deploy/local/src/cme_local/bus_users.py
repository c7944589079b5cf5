"""What each user of the bus may do: a service its own subjects and streams, and reading what it subscribes to."""

from cme_contracts.registry import PERSONAL_SUBJECT_TOKEN

#: The streams that a service reads, by the events that it subscribes to.
CONSUMED = {
    "enrolment": ("CME_CURRICULUM",),
    "curriculum": ("CME_ENROLMENT",),
    "assessment": ("CME_CURRICULUM", "CME_ENROLMENT"),
    "credentials": ("CME_ASSESSMENT", "CME_CURRICULUM", "CME_ENROLMENT", "CME_ENROLMENT_PERSONAL"),
    "outreach": ("CME_ENROLMENT",),
}


def nats_permissions(service: str) -> dict[str, list[str]]:
    """The permissions of a service's user.

    It publishes its own events and dead letters, calls the replicas of its own, provisions its own three streams, reads
    those it owns or subscribes to under its own names, and repairs its dead letters. Answers come to an inbox of its
    own: with the common `_INBOX` a service could listen to what another one is delivered.
    """
    owned = [f"CME_{service.upper()}", f"CME_{service.upper()}_PERSONAL"]
    letters = f"CME_{service.upper()}_DEAD_LETTERS"
    publish = [
        f"cme.{service}.>",
        f"cme.{PERSONAL_SUBJECT_TOKEN}.{service}.>",
        f"cme.dlq.{service}.>",
        f"cme.relay.{service}",
    ]
    for stream in (*owned, letters):
        publish += [f"$JS.API.STREAM.CREATE.{stream}", f"$JS.API.STREAM.INFO.{stream}"]
    publish += [f"$JS.API.STREAM.MSG.GET.{letters}", f"$JS.API.STREAM.MSG.DELETE.{letters}"]
    for stream in CONSUMED[service]:
        publish += [f"$JS.API.STREAM.INFO.{stream}", *_consuming(stream, service), f"$JS.ACK.{stream}.{service}.>"]
    for stream in (*owned, letters, *CONSUMED[service]):
        publish += [*_consuming(stream, f"{service}_reader"), f"$JS.API.CONSUMER.DELETE.{stream}.{service}_reader"]
    return {"publish": publish, "subscribe": [f"_INBOX_{service}.>", f"cme.relay.{service}"]}


def _consuming(stream: str, consumer: str) -> list[str]:
    return [
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.INFO.{stream}.{consumer}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
    ]
