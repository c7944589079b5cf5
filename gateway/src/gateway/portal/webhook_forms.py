"""The form of a webhook: what was typed, what is wrong with it, and the request that it describes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cme_kit.pages import gettext_noop

from gateway.webhooks.addresses import LONGEST_URL
from gateway.webhooks.domain import Signing
from gateway.webhooks.offering import OFFERED
from gateway.webhooks.schemas import WebhookChange, WebhookRequest, WebhookView

LONGEST_DESCRIPTION = 200
URL_WRONG = gettext_noop(
    "Enter an https address on the public Internet, such as https://partner.example/hooks, with port 443 or one from 1024 on, without user name, password and fragment."
)
DESCRIPTION_LONG = gettext_noop("Enter at most 200 characters.")
TYPES_MISSING = gettext_noop("Choose at least one event.")
TYPES_CLOSED = gettext_noop(
    "The application lacks the permission for one of these events. Choose others, or change its permissions."
)
SINCE_WRONG = gettext_noop("Enter a day and a time of the last 30 days, such as 2026-12-01T08:00.")


@dataclass(frozen=True)
class WebhookForm:
    """What somebody typed about a webhook."""

    url: str = ""
    description: str = ""
    event_types: frozenset[str] = frozenset()
    signing: Signing = Signing.SYMMETRIC

    @classmethod
    def of(cls, webhook: WebhookView) -> WebhookForm:
        """The form as it describes a webhook."""
        return cls(webhook.url, webhook.description, frozenset(webhook.event_types), webhook.signing)

    def errors(self) -> dict[str, str]:
        """What is wrong, by the id of its field."""
        described = self.description.strip()
        found = {
            "url": None if 0 < len(self.url.strip()) <= LONGEST_URL else URL_WRONG,
            "description": None
            if len(described) <= LONGEST_DESCRIPTION and described.isprintable()
            else DESCRIPTION_LONG,
            "event_types": None if self.known_types() else TYPES_MISSING,
        }
        return {name: text for name, text in found.items() if text is not None}

    def known_types(self) -> list[str]:
        """The chosen events that there are."""
        return sorted(self.event_types & OFFERED.keys())

    def request(self) -> WebhookRequest:
        """A webhook to make, when there are no errors."""
        return WebhookRequest(
            url=self.url, description=self.description, event_types=self.known_types(), signing=self.signing
        )

    def change(self) -> WebhookChange:
        """A webhook to change, when there are no errors."""
        return WebhookChange(url=self.url, description=self.description, event_types=self.known_types())


def moment_of(text: str) -> datetime | None:
    """A day and a time as browsers send it, in UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # no moment, or one that no year of UTC holds
        return None
