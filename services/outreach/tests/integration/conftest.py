"""Outreach on real engines, with an SMTP relay of a few lines that remembers every mail."""

import asyncio
import csv
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, free_port, person_id, running
from outreach.app import build
from outreach.settings import Settings

GENERATOR = Path(__file__).parent.parent / "clusters_gen.py"
ADDRESS_KEY = "a-test-key-of-at-least-thirty-two-bytes"
SCOPES = [
    f"outreach.{name}"
    for name in (
        "directory:write",
        "directory:read",
        "consents:write",
        "campaigns:write",
        "touchpoints:write",
        "touchpoints:confirm",
        "labels:write",
        "indicators:read",
    )
]
numbers = itertools.count(1)
#: Seeds whose list is smaller than the generator's default.
ORGANISATIONS = {41: 60}


@dataclass
class Sink:
    """An SMTP server that accepts everything, unless told otherwise."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    #: What to answer at a stage (`rcpt`, `data`), by the address; or to hang up before answering (`drop`).
    behave: Callable[[str, str], str] = lambda _stage, _address: ""
    #: Set while accepted mails shall be answered.
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(  # noqa: C901  (one SMTP dialogue reads best in one piece)
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def reply(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await reply("220 sink")
        address = ""
        try:
            while line := (await reader.readline()).decode().strip():
                word = line.split(" ", 1)[0].upper()
                if word == "RCPT":
                    address = line[line.index("<") + 1 : line.index(">")]
                    answer = self.behave("rcpt", address)
                    if answer == "drop":
                        return
                    await reply(answer or "250 ok")
                elif word == "DATA":
                    await reply("354 go on")
                    body = b""
                    while (part := await reader.readline()) != b".\r\n":
                        body += part
                    answer = self.behave("data", address)
                    if not answer or answer == "drop after":
                        self.mails.append(body)
                    if answer.startswith("drop"):
                        return
                    await self.answering.wait()
                    await reply(answer or "250 taken")
                elif word == "QUIT":
                    await reply("221 bye")
                    return
                else:
                    await reply("250 ok")
        except ConnectionError:
            return
        finally:
            writer.close()

    def messages(self) -> list[EmailMessage]:
        """Every accepted mail."""
        return [BytesParser(policy=policy.default).parsebytes(raw) for raw in self.mails]

    @staticmethod
    def link(message: EmailMessage, page: str) -> str:
        """The path of a link in a mail, for the test client."""
        text = message.get_body(("plain",)).get_content()
        return re.search(rf"http://gateway\.test(/outreach/{page}/[^\s?]+)", text)[1]


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    sink.answering.set()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    yield sink
    server.close()


@dataclass
class Outreach:
    """The running service and the usual calls to it."""

    service: RunningService
    tokens: Tokens
    officer_id: str = field(default_factory=person_id)

    @property
    def http(self) -> httpx.AsyncClient:
        return self.service.http

    @property
    def officer(self) -> dict[str, str]:
        return self.tokens.bearer(self.officer_id, *SCOPES)

    def another_officer(self) -> dict[str, str]:
        return self.tokens.bearer(person_id(), *SCOPES)

    async def call(self, method: str, path: str, *, expect: int, **arguments: Any) -> Any:
        headers = {**self.officer, **arguments.pop("headers", {})}
        answer = await self.http.request(method, f"/outreach/v1{path}", headers=headers, **arguments)
        assert answer.status_code == expect, (method, path, answer.status_code, answer.text[:600])
        return answer.json() if answer.content else None

    async def get(self, path: str, **arguments: Any) -> Any:
        return await self.call("GET", path, **{"expect": 200, **arguments})

    async def post(self, path: str, body: Any, *, expect: int = 201, **arguments: Any) -> Any:
        return await self.call("POST", path, json=body, expect=expect, **arguments)

    async def upload(self, path: str, content: bytes, *, expect: int = 201, **arguments: Any) -> Any:
        headers = {"Content-Type": "text/csv"}
        return await self.call("POST", path, content=content, headers=headers, expect=expect, **arguments)

    async def cluster(self, **fields: Any) -> dict[str, Any]:
        number = next(numbers)
        body = {
            "name": f"Quince cluster {number}",
            "country": "SE",
            "website": f"https://quince-{number}.example",
            "source": "test",
        }
        return await self.post("/clusters", {**body, **fields})

    async def contact(self, cluster_id: str, address: str, **fields: Any) -> dict[str, Any]:
        return await self.post(f"/clusters/{cluster_id}/contacts", {"address": address, "source": "test", **fields})

    async def consent(self, contact_id: str, **fields: Any) -> dict[str, Any]:
        body = {
            "purpose": "event_invite",
            "state": "given",
            "language": "en",
            "text_version": "v1",
            "method": "double_opt_in",
            "given_at": "2026-01-01T10:00:00Z",
            "proof": "form 1",
        }
        return await self.post(f"/contacts/{contact_id}/consents", {**body, **fields})

    async def mailable(self, count: int, **fields: Any) -> list[dict[str, Any]]:
        """Contacts of one cluster each who consented."""
        contacts = []
        for _ in range(count):
            cluster = await self.cluster(**fields)
            contact = await self.contact(cluster["cluster_id"], f"ada.lind{next(numbers)}@quince.example")
            await self.consent(contact["contact_id"])
            contacts.append(contact)
        return contacts

    async def campaign(self, **fields: Any) -> str:
        body = {
            "name": "Spring",
            "purpose": "event_invite",
            "subject": {"en": "Come and learn", "lt": "Kviečiame mokytis"},
            "body": {"en": "First.\n\nSecond.", "lt": "Pirma.\n\nAntra."},
            "action": {"en": "I am interested", "lt": "Man įdomu"},
        }
        return (await self.post("/campaigns", {**body, **fields}))["campaign_id"]

    async def start(self, campaign_id: str, *, expect: int = 200) -> Any:
        return await self.post(f"/campaigns/{campaign_id}/start", {}, expect=expect)

    async def finished(self, campaign_id: str, seconds: float = 20) -> dict[str, Any]:
        async def done() -> dict[str, Any] | None:
            campaign = await self.get(f"/campaigns/{campaign_id}")
            counts = campaign["counts"]
            assert counts["snapshot"] == sum(number for name, number in counts.items() if name != "snapshot")
            return campaign if campaign["state"] == "finished" else None

        return await eventually(done, seconds)


def settings_for(engines: Engines, smtp_port: int, **fields: Any) -> Settings:
    values = {"smtp_port": smtp_port, "mail_from": "CME <outreach@cme.example>", "address_key": ADDRESS_KEY}
    return engines.settings(Settings, **{**values, **fields})


@asynccontextmanager
async def outreach_on(engines: Engines, tokens: Tokens, smtp_port: int, **fields: Any) -> AsyncIterator[Outreach]:
    async with running(build(settings_for(engines, smtp_port, **fields)), tokens) as service:
        yield Outreach(service, tokens)


@pytest.fixture
def run_outreach(engines: Engines, bus: Bus, tokens: Tokens) -> Callable[..., Any]:
    """`async with run_outreach(smtp_port) as outreach:` as often as a test needs it."""
    return lambda smtp_port, **fields: outreach_on(engines, tokens, smtp_port, **fields)


@pytest.fixture
def start_process(engines: Engines, bus: Bus) -> Callable[[int], "subprocess.Popen[bytes]"]:
    """Start the service as a process of its own, to be killed."""

    def start(smtp_port: int) -> "subprocess.Popen[bytes]":
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("CME_")},
            "CME_PORT": str(free_port()),
            "CME_MONGO_URL": engines.mongo_url,
            "CME_NATS_URL": engines.nats_url,
            "CME_NATS_USER": "test",
            "CME_NATS_PASSWORD": "test",
            "CME_PUBLIC_URL": "http://gateway.test",
            "CME_JWKS_URL": "http://gateway.test/oauth/jwks",
            "CME_SMTP_HOST": "127.0.0.1",
            "CME_SMTP_PORT": str(smtp_port),
            "CME_MAIL_FROM": "CME <outreach@cme.example>",
            "CME_ADDRESS_KEY": ADDRESS_KEY,
        }
        return subprocess.Popen([sys.executable, "-m", "outreach"], env=environment, stdout=subprocess.DEVNULL)

    return start


@pytest.fixture
async def outreach(engines: Engines, bus: Bus, tokens: Tokens, sink: Sink) -> AsyncIterator[Outreach]:
    async with outreach_on(engines, tokens, sink.port) as started:
        yield started


@pytest.fixture(params=["motor", "pymongo"])
async def outreach_on_both_drivers(
    request: pytest.FixtureRequest, engines: Engines, bus: Bus, tokens: Tokens, sink: Sink
) -> AsyncIterator[Outreach]:
    async with outreach_on(engines, tokens, sink.port, mongo_driver=request.param) as started:
        yield started


@dataclass(frozen=True)
class Truth:
    """A generated cluster list with what a correct system makes of it."""

    folder: Path

    def raw(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def expected(self) -> dict[str, Any]:
        return json.loads((self.folder / "expected.json").read_text())


@pytest.fixture(scope="session")
def truth_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Truth]:
    made: dict[int, Truth] = {}

    def make(seed: int) -> Truth:
        if seed not in made:
            folder = tmp_path_factory.mktemp(f"clusters-{seed}")
            command = [
                sys.executable,
                str(GENERATOR),
                "--out",
                str(folder),
                "--seed",
                str(seed),
                "--orgs",
                str(ORGANISATIONS.get(seed, 160)),
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            made[seed] = Truth(folder)
        return made[seed]

    return make
