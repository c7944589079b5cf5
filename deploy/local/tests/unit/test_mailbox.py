"""The mail catcher's box: caps, search, JSON and pages."""

from email.message import EmailMessage

import httpx
from cme_local.ops.mailbox import Mailbox

from .operators import operator


def mail(subject: str = "Kvietimas į mokymus", message_id: str = "<1@cme>") -> bytes:
    message = EmailMessage()
    message["Subject"] = subject
    message["Message-ID"] = message_id
    message.set_content("Labas")
    message.add_alternative("<p>Labas</p><script>alert(1)</script>", subtype="html")
    return message.as_bytes()


def client(mailbox: Mailbox) -> httpx.AsyncClient:
    return operator(mailbox=mailbox, headers={})


def test_the_oldest_mail_goes_when_the_box_is_full() -> None:
    box = Mailbox(max_messages=2)

    for number in range(3):
        box.keep("a@cme.example", [f"{number}@cme.example"], mail())

    assert [caught.recipients[0] for caught in box.find()] == ["2@cme.example", "1@cme.example"]


def test_the_bytes_of_the_box_are_bounded() -> None:
    box = Mailbox(max_total_bytes=3 * len(mail()))

    for _ in range(10):
        box.keep("a@cme.example", ["b@cme.example"], mail())

    assert len(box) == 3


async def test_a_mail_is_found_by_recipient_and_by_message_id() -> None:
    box = Mailbox()
    box.keep("a@cme.example", ["Anna@cme.example"], mail(message_id="<1@cme>"))
    box.keep("a@cme.example", ["bert@cme.example"], mail(message_id="<2@cme>"))
    api = client(box)

    by_recipient = (await api.get("/api/messages", params={"to": "anna@cme.example"})).json()["items"]
    by_id = (await api.get("/api/messages", params={"message_id": "<2@cme>"})).json()["items"]

    assert [item["envelope"]["to"] for item in by_recipient] == [["Anna@cme.example"]]
    assert [item["envelope"]["to"] for item in by_id] == [["bert@cme.example"]]
    assert by_id[0]["text"].strip() == "Labas"
    assert ["Subject", "Kvietimas į mokymus"] in by_id[0]["headers"]


async def test_a_mail_s_html_is_shown_as_source_only() -> None:
    box = Mailbox()
    box.keep("a@cme.example", ["b@cme.example"], mail())

    page = await client(box).get("/mail/1")

    assert "Kvietimas į mokymus" in page.text
    assert "&lt;script&gt;" in page.text
    assert "<script>alert" not in page.text


async def test_what_is_not_a_mail_can_still_be_looked_at() -> None:
    box = Mailbox()
    box.keep("", ["b@cme.example"], b"\xff\xfe no headers at all")
    http = client(box)

    assert (await http.get("/mail")).status_code == (await http.get("/mail/1")).status_code == 200
    assert (await http.get("/api/messages/1")).status_code == 200


async def test_a_wrong_limit_and_an_unknown_mail_are_problems() -> None:
    http = client(Mailbox())

    wrong, unknown = await http.get("/api/messages?limit=all"), await http.get("/api/messages/7")

    assert (wrong.status_code, unknown.status_code) == (400, 404)
    assert wrong.headers["content-type"] == unknown.headers["content-type"] == "application/problem+json"
