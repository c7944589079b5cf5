"""Mail through a real SMTP dialogue, and what a NATS user of a service may do."""

import asyncio
import smtplib
from email.message import EmailMessage

import httpx
import nats
import pytest
from cme_kit.streams import owned_streams, provision_streams, read_stream
from cme_local.secrets import load_or_create
from nats.aio.client import Client
from nats.errors import Error as NatsError

from .conftest import Launcher

pytestmark = pytest.mark.timeout(120)


async def test_the_stack_catches_mail_and_keeps_services_to_their_subjects(launcher: Launcher) -> None:
    up = await asyncio.to_thread(launcher.up)

    await asyncio.to_thread(_send, up.base + 7)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{up.base + 8}") as http:
        found = (await http.get("/api/messages", params={"to": "anna@cme.example"})).json()["items"]
    assert [item["text"].strip() for item in found] == ["Ačiū"]

    url = f"nats://127.0.0.1:{up.base + 9}"
    passwords = load_or_create(up.data).nats_passwords
    await _keeps_to_its_own(url, passwords["outreach"])
    await _keeps_to_the_sandbox(url, passwords["sandbox_outreach"])

    stranger = Client()
    with pytest.raises(NatsError):
        await stranger.connect(url, user="outreach", password="guessed", allow_reconnect=False, error_cb=_ignore)
    # A refused connection stays open in the client until it is closed.
    await stranger.close()


async def _keeps_to_its_own(url: str, password: str) -> None:
    """The user of outreach may do this and nothing of that."""
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    bus = await nats.connect(
        url, user="outreach", password=password, error_cb=refused.put, inbox_prefix="_INBOX_outreach"
    )
    jetstream = bus.jetstream(timeout=5)
    await provision_streams(jetstream, owned_streams("outreach"))
    await jetstream.publish("cme.outreach.campaign.finished.v1", b"own")
    assert [m.data async for m in read_stream(jetstream, "CME_OUTREACH", "outreach")] == [b"own"]
    assert refused.empty()

    for subject in (
        "cme.enrolment.learner.enrolled.v1",
        "cme.dlq.enrolment.cme.enrolment.learner.enrolled.v1",
        "$JS.API.STREAM.DELETE.CME_OUTREACH",
        "$JS.API.STREAM.PURGE.CME_OUTREACH",
        "$JS.API.STREAM.UPDATE.CME_OUTREACH",
        "$JS.API.STREAM.MSG.GET.CME_ENROLMENT_PERSONAL",
        "$JS.API.CONSUMER.CREATE.CME_ENROLMENT_PERSONAL.outreach",
        "$JS.API.CONSUMER.MSG.NEXT.CME_ENROLMENT.assessment",
        "$JS.API.CONSUMER.DELETE.CME_ENROLMENT.assessment",
        "$JS.API.STREAM.MSG.GET.CME_ENROLMENT_DEAD_LETTERS",
        "$JS.ACK.CME_ENROLMENT.assessment.1.1.1.1.0",
    ):
        await bus.publish(subject, b"{}")
        complaint = str(await asyncio.wait_for(refused.get(), 5)).lower()
        assert "permissions violation" in complaint, subject
        assert subject.lower() in complaint
    for inbox in ("_INBOX.>", "_INBOX_enrolment.>", "cme.>"):
        await bus.subscribe(inbox)
        assert "permissions violation" in str(await asyncio.wait_for(refused.get(), 5)).lower(), inbox
    await bus.close()


async def _keeps_to_the_sandbox(url: str, password: str) -> None:
    """The sandbox's outreach has streams of the same names, and in them only what was published there."""
    bus = await nats.connect(url, user="sandbox_outreach", password=password, inbox_prefix="_INBOX_outreach")
    jetstream = bus.jetstream(timeout=5)
    await provision_streams(jetstream, owned_streams("outreach"))

    assert [m.data async for m in read_stream(jetstream, "CME_OUTREACH", "outreach")] == []

    await jetstream.publish("cme.outreach.campaign.finished.v1", b"made up")
    assert [m.data async for m in read_stream(jetstream, "CME_OUTREACH", "outreach")] == [b"made up"]
    await bus.close()


async def _ignore(_: Exception) -> None:
    """The connection's failure is asserted by the caller."""


def _send(port: int) -> None:
    message = EmailMessage()
    message["Subject"] = "Ačiū"
    message["From"] = "cme@cme.example"
    message["To"] = "anna@cme.example"
    message.set_content("Ačiū")
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
        smtp.send_message(message)
