"""Mail through a real SMTP dialogue, and what a NATS user of a service may do."""

import asyncio
import smtplib
from email.message import EmailMessage

import httpx
import nats
import pytest
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

    password = load_or_create(up.data).nats_passwords["outreach"]
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    url = f"nats://127.0.0.1:{up.base + 9}"
    bus = await nats.connect(url, user="outreach", password=password, error_cb=refused.put)
    await bus.publish("cme.outreach.campaign.finished.v1", b"own")
    await bus.publish("cme.enrolment.learner.enrolled.v1", b"foreign")
    await bus.flush()
    complaint = await asyncio.wait_for(refused.get(), 5)
    await bus.close()
    assert "permissions violation" in str(complaint).lower()
    assert "cme.enrolment" in str(complaint)
    assert refused.empty()

    stranger = Client()
    with pytest.raises(NatsError):
        await stranger.connect(url, user="outreach", password="guessed", allow_reconnect=False, error_cb=_ignore)
    # A refused connection stays open in the client until it is closed.
    await stranger.close()


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
