"""What each user of the bus may do: a service its own subjects and streams, and reading what it subscribes to."""

from cme_contracts.registry import PERSONAL_SUBJECT_TOKEN

from cme_local.processes import SERVICES

#: The streams that a service reads, by the events that it subscribes to.
CONSUMED = {
    "enrolment": ("CME_CURRICULUM",),
    "curriculum": ("CME_ENROLMENT",),
    "assessment": ("CME_CURRICULUM", "CME_ENROLMENT"),
    "credentials": ("CME_ASSESSMENT", "CME_CURRICULUM", "CME_ENROLMENT", "CME_ENROLMENT_PERSONAL"),
    "outreach": ("CME_ENROLMENT",),
    "gateway": ("CME_ASSESSMENT", "CME_CREDENTIALS", "CME_CURRICULUM", "CME_ENROLMENT", "CME_OUTREACH"),
}
#: It states no events; its replicas tell each other what changed.
GATEWAY = "gateway"
NOTICES = "cme.gateway.notices"
#: Everybody who connects to the bus, besides the tools of operators.
BUS_USERS = (*SERVICES, GATEWAY)


def sandbox_user(user: str) -> str:
    """Its name in the sandbox's account: an account has subjects and streams of its own, and names are the server's."""
    return f"sandbox_{user}"


def nats_permissions(user: str) -> dict[str, list[str]]:
    """The permissions of a user: of a service, or of the gateway."""
    return _of_gateway() if user == GATEWAY else _of_service(user)


def _of_gateway() -> dict[str, list[str]]:
    """It reads the events that webhooks tell of, none with personal data, and keeps its own dead letters."""
    letters = f"CME_{GATEWAY.upper()}_DEAD_LETTERS"
    publish = [NOTICES, f"cme.dlq.{GATEWAY}.>", *_repairing(letters)]
    for stream in CONSUMED[GATEWAY]:
        publish += _applying(stream, GATEWAY)
    return {"publish": publish, "subscribe": [f"_INBOX_{GATEWAY}.>", NOTICES]}


def _of_service(service: str) -> dict[str, list[str]]:
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
    for stream in owned:
        publish += _providing(stream)
    publish += _repairing(letters)
    for stream in CONSUMED[service]:
        publish += _applying(stream, service)
    for stream in (*owned, letters, *CONSUMED[service]):
        publish += [*_consuming(stream, f"{service}_reader"), f"$JS.API.CONSUMER.DELETE.{stream}.{service}_reader"]
    return {"publish": publish, "subscribe": [f"_INBOX_{service}.>", f"cme.relay.{service}"]}


def _providing(stream: str) -> list[str]:
    return [f"$JS.API.STREAM.CREATE.{stream}", f"$JS.API.STREAM.INFO.{stream}"]


def _repairing(letters: str) -> list[str]:
    return [*_providing(letters), f"$JS.API.STREAM.MSG.GET.{letters}", f"$JS.API.STREAM.MSG.DELETE.{letters}"]


def _applying(stream: str, service: str) -> list[str]:
    return [f"$JS.API.STREAM.INFO.{stream}", *_consuming(stream, service), f"$JS.ACK.{stream}.{service}.>"]


def _consuming(stream: str, consumer: str) -> list[str]:
    return [
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.INFO.{stream}.{consumer}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
    ]
