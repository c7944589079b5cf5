"""What somebody tells us to sign up, checked; and what waits for a mailed link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cme_kit.pages import gettext_noop
from cme_kit.schemas import LANGUAGES
from email_validator import EmailNotValidError, validate_email

from gateway.accounts.domain import normalised
from gateway.accounts.password_rules import weakness_of
from gateway.selfservice.pages import LONGEST_NAME, NAME_LONG, NAME_MISSING, WEAK

CONFIRM_WITHIN = timedelta(hours=24)
RESET_WITHIN = timedelta(hours=1)
LONGEST_ADDRESS = 254

ADDRESS_WRONG = gettext_noop("Enter an e-mail address such as ona@organisation.example.")
ORGANISATION_WRONG = gettext_noop("Enter the name of your organisation, of at most 200 characters.")
LANGUAGE_WRONG = gettext_noop("Choose one of the five languages.")


@dataclass(frozen=True)
class Application:
    """A filled-in sign-up form."""

    display_name: str
    email: str
    organisation_name: str
    language: str
    password: str


@dataclass(frozen=True)
class SignUp:
    """A sign-up whose address is not confirmed yet."""

    signup_id: str
    username: str
    display_name: str
    organisation_name: str
    language: str
    password_hash: str
    return_to: str
    created: datetime
    expires: datetime


@dataclass(frozen=True)
class Reset:
    """A password that may be set by a mailed link."""

    reset_id: str
    subject: str
    expires: datetime


def mail_address(text: str) -> str | None:
    """A mail address in the form in which it is a username; None when it is none that mail can be sent to."""
    if len(text) > LONGEST_ADDRESS:
        return None
    try:
        # A domain with letters beyond ASCII is written to as punycode, which every relay understands.
        found = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return normalised(found.ascii_email) if found.ascii_email else None


def one_line(text: str) -> str:
    """A text without line breaks and doubled spaces."""
    return " ".join(text.split())


def mistakes(application: Application) -> dict[str, str]:
    """What to change, by the id of its field."""
    errors: dict[str, str] = {}
    name, organisation = one_line(application.display_name), one_line(application.organisation_name)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        errors["display_name"] = NAME_LONG if len(name) > LONGEST_NAME else NAME_MISSING
    if mail_address(application.email) is None:
        errors["email"] = ADDRESS_WRONG
    if not organisation or len(organisation) > LONGEST_NAME or not organisation.isprintable():
        errors["organisation_name"] = ORGANISATION_WRONG
    if application.language not in LANGUAGES:
        errors["language"] = LANGUAGE_WRONG
    if weakness := weakness_of(application.password, application.email, name, organisation):
        errors["new_password"] = WEAK[weakness]
    return errors
