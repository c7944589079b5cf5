"""Where deliveries go: to the names that webhooks have, as they are at that moment, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_kit.testing import Engines
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway.clients.domain import Client

from .receivers import Receiver, another_receiver
from .webhook_rig import HOUR, Rig, cancelled, client, rig, rigged

__all__ = ["another_receiver", "client", "rig"]


async def test_a_name_that_leads_elsewhere_by_the_time_of_a_delivery_is_not_followed(
    engines: Engines, receiver: Receiver
) -> None:
    answers = {"rebinding.example": ["93.184.215.14"]}
    asked: list[str] = []

    async def lookup(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[host]

    async with rigged(engines, lookup=lookup, webhook_private_addresses=False) as rig:
        client = await rig.client()
        url = f"https://rebinding.example:{receiver.port}/hooks"
        webhook = await rig.webhook(client, url, OfferingCancelled)
        event_id = await rig.happen(cancelled())
        for address in (["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]):
            answers["rebinding.example"] = address
            await rig.turn(30 * HOUR)

        log = (await rig.delivery(client, webhook, event_id)).log
        assert [attempt.error for attempt in log] == ["address refused: not on the public Internet"] * 4
        assert receiver.received == []
        assert len(asked) == 5


async def test_a_name_is_asked_for_once_and_the_receiver_is_called_by_it(engines: Engines, receiver: Receiver) -> None:
    asked: list[str] = []

    async def lookup(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with rigged(engines, lookup=lookup) as rig:
        client = await rig.client()
        await rig.webhook(client, f"http://partner.example:{receiver.port}/hooks", OfferingCancelled)
        await rig.happen(cancelled())
        asked.clear()

        await rig.turn()

    assert asked == ["partner.example"]
    assert receiver.received[0].headers["host"] == f"partner.example:{receiver.port}"


async def test_a_certificate_has_to_be_the_names_own_and_trusted(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lookup(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    certificate, key = self_signed(tmp_path, "partner.example")
    secure = Receiver(ssl_certfile=certificate, ssl_keyfile=key)
    secure.start()
    url = f"https://partner.example:{secure.port}/hooks"
    errors = []
    for trusted, named in (("", url), (certificate, url.replace("partner", "another")), (certificate, url)):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", trusted)
        async with rigged(engines, lookup=lookup) as rig:
            client = await rig.client()
            webhook = await rig.webhook(client, named, OfferingCancelled)
            event_id = await rig.happen(cancelled())
            await rig.turn()
            errors.append((await rig.delivery(client, webhook, event_id)).log[0].error)
    secure.stop()

    assert errors == ["TLS certificate not accepted", "TLS certificate not accepted", None]
    assert [got.headers["host"] for got in secure.received] == [f"partner.example:{secure.port}"]


def self_signed(folder: Path, name: str) -> tuple[str, str]:
    """Files of a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(files[0]), str(files[1])


async def test_no_proxy_of_the_environment_is_used(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{another_receiver.port}")
    await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.happen(cancelled())

    await rig.turn()

    assert len(receiver.received) == 1
    assert another_receiver.received == []
