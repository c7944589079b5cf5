"""Letters about accounts and what belongs to them: what each kind says, and how it is put on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from html import escape

from cme_kit.pages import gettext_noop


class Kind(StrEnum):
    """Why a letter is written."""

    CONFIRM_ADDRESS = "confirm_address"
    ADDRESS_KNOWN = "address_known"
    RESET_PASSWORD = "reset_password"
    PASSWORD_CHANGED = "password_changed"
    PASSKEY_ADDED = "passkey_added"
    SIGN_IN_LINKED = "sign_in_linked"
    WEBHOOK_DISABLED = "webhook_disabled"
    ACCESS_APPROVED = "access_approved"
    ACCESS_REFUSED = "access_refused"
    #: Written and never sent, so that an unknown address takes as long as a known one.
    NOBODY = "nobody"


@dataclass(frozen=True)
class Text:
    """Subject, paragraphs, and what the link says."""

    subject: str
    paragraphs: tuple[str, ...]
    action: str


_NOT_YOU = gettext_noop("If it was not you, set a new password at once: somebody may know yours.")
#: Nothing that a stranger typed stands in a letter: it would carry their words to any address they like.
TEXTS: dict[Kind, Text] = {
    Kind.CONFIRM_ADDRESS: Text(
        gettext_noop("Confirm your e-mail address"),
        (
            gettext_noop("Somebody, probably you, signed up to Cluster Manager Education with this address."),
            gettext_noop("Open the link within 24 hours and enter the password that you chose. The link works once."),
            gettext_noop("If it was not you, do nothing: without the link there will be no account."),
        ),
        gettext_noop("Confirm this address"),
    ),
    Kind.ADDRESS_KNOWN: Text(
        gettext_noop("You have an account already"),
        (
            gettext_noop("Somebody, probably you, signed up to Cluster Manager Education with this address."),
            gettext_noop(
                "There is an account with it already, so nothing was changed. Sign in as before; there you can also set a new password."
            ),
        ),
        gettext_noop("Sign in"),
    ),
    Kind.RESET_PASSWORD: Text(
        gettext_noop("Set a new password"),
        (
            gettext_noop(
                "Somebody, probably you, asked for a new password for your account at Cluster Manager Education."
            ),
            gettext_noop("Open the link within one hour. It works once."),
            gettext_noop("If it was not you, do nothing: your password stays as it is."),
        ),
        gettext_noop("Set a new password"),
    ),
    Kind.PASSWORD_CHANGED: Text(
        gettext_noop("Your password was changed"),
        (gettext_noop("The password of your account at Cluster Manager Education was changed."), _NOT_YOU),
        gettext_noop("Your account"),
    ),
    Kind.PASSKEY_ADDED: Text(
        gettext_noop("A passkey was added to your account"),
        (gettext_noop("Whoever has it can sign in to your account at Cluster Manager Education."), _NOT_YOU),
        gettext_noop("Your account"),
    ),
    Kind.SIGN_IN_LINKED: Text(
        gettext_noop("Another way to sign in was linked to your account"),
        (gettext_noop("Whoever has it can sign in to your account at Cluster Manager Education."), _NOT_YOU),
        gettext_noop("Your account"),
    ),
    Kind.WEBHOOK_DISABLED: Text(
        gettext_noop("A webhook of yours was disabled"),
        (
            gettext_noop(
                "Its receiver answered that it is gone, or took nothing for five days. Nothing is sent to it any more."
            ),
            gettext_noop(
                "Correct the receiver, make the webhook active again, and have what it missed sent once more."
            ),
        ),
        gettext_noop("Your applications"),
    ),
    Kind.ACCESS_APPROVED: Text(
        gettext_noop("Your application may use real data now"),
        (
            gettext_noop("The programme office approved your request for live access."),
            gettext_noop("Its credentials get tokens from now on. Leave out /sandbox in the addresses."),
        ),
        gettext_noop("Your applications"),
    ),
    Kind.ACCESS_REFUSED: Text(
        gettext_noop("Your request for live access was refused"),
        (
            gettext_noop("The programme office did not approve it. Your sandbox application goes on as before."),
            gettext_noop("Write to the office to learn why, or change the sandbox application and ask again."),
        ),
        gettext_noop("Your applications"),
    ),
}
#: Waits before the tries after the first; the last one is repeated until the letter is of no use.
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800))

_PAGE = "margin:0;padding:0;background-color:#eff4f4"
_SHEET = "background-color:#ffffff;border:1px solid #d2dcdf;border-radius:8px;padding:36px 40px"
_TEXT = "margin:0 0 16px;color:#13212a"
_FONT = (
    "font-family:'Segoe UI',Roboto,'Liberation Sans','Helvetica Neue',Arial,sans-serif;font-size:17px;line-height:1.55"
)
_BUTTON = (
    "display:inline-block;background-color:#0b5468;border:solid #0b5468;border-width:12px 22px;border-radius:4px;"
    "color:#ffffff;font-weight:bold;line-height:20px;text-decoration:none"
)


@dataclass(frozen=True)
class Letter:
    """One letter that waits to be sent. Its link is made when it is sent, so that none is stored."""

    letter_id: str
    kind: Kind
    recipient: str
    language: str
    #: What the link is about: the id of a sign-up or of a reset.
    about: str
    created: datetime
    #: When it is of no use any more.
    expires: datetime
    tries: int = 0


def delay_after(tries: int) -> timedelta:
    """How long a letter waits after so many tries."""
    return DELAYS[min(max(tries, 1), len(DELAYS)) - 1]


def compose(letter: Letter, sender: str, link: str, say: Callable[[str], str]) -> EmailMessage:
    """The message; `say` translates into the letter's language."""
    text = TEXTS[letter.kind]
    paragraphs, action = [say(one) for one in text.paragraphs], say(text.action)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = say(text.subject)
    message["Date"] = format_datetime(letter.created)
    message["Message-ID"] = f"<{letter.letter_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    # RFC 3834 section 5: no holiday notice answers it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "\n\n".join([*paragraphs, f"{action}:\n{link}", "-- \nCluster Manager Education", ""]), cte="base64"
    )
    message.add_alternative(
        _html(letter.language, say(text.subject), paragraphs, action, link), subtype="html", cte="base64"
    )
    # Last: whatever begins with Content- moves into the first part when the second is added.
    message["Content-Language"] = letter.language
    return message


def _html(language: str, subject: str, paragraphs: list[str], action: str, link: str) -> str:
    body = "".join(f'<p style="{_TEXT}">{escape(paragraph)}</p>' for paragraph in paragraphs)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(subject)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"></head><body style="{_PAGE}">'
        f'<div role="article" lang="{language}" style="{_FONT};padding:24px 12px"><main style="display:block;max-width:600px;margin:0 auto">'
        f'<p style="{_TEXT};font-weight:bold">Cluster Manager Education</p><div style="{_SHEET}">'
        f'<h1 style="margin:0 0 12px;font-size:27px;line-height:1.2;color:#13212a">{escape(subject)}</h1>{body}'
        f'<p style="margin:0"><a href="{escape(link)}" style="{_BUTTON}">{escape(action)}</a></p></div></main></div></body></html>'
    )
