"""Shapes of the consent API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cme_kit.schemas import LanguageCode, LongText, Moment, Schema, ShortText, example
from pydantic import BaseModel, Field, StringConstraints

from outreach.consents.domain import ConsentState, Method, Purpose, RelationKind


class NewConsent(Schema):
    """A declaration that a contact made."""

    model_config = example(
        purpose="newsletter",
        state="given",
        language="en",
        text_version="2026-01",
        method="double_opt_in",
        given_at="2026-10-14T09:30:00Z",
        proof="Confirmation mail of 14 October, message id 4711@mail.example",
    )

    purpose: Purpose
    state: ConsentState
    language: LanguageCode = Field(description="Language of the text that was shown")
    text_version: ShortText = Field(description="Which text was shown")
    method: Method
    given_at: Moment = Field(description="When it was declared")
    proof: LongText = Field(description="Where the declaration can be found: form, message id, file")


class ConsentView(BaseModel):
    """A recorded declaration."""

    consent_id: str
    contact_id: str
    purpose: Purpose
    state: ConsentState
    language: str
    text_version: str
    method: Method
    given_at: datetime
    proof: str
    recorded_at: datetime
    recorded_by: str


class ConsentList(BaseModel):
    """A contact's ledger."""

    items: list[ConsentView] = Field(description="Every declaration, oldest first; the last one of a purpose counts")


class NewRelation(Schema):
    """A documented connection to a contact who declared nothing."""

    model_config = example(
        kind="existing_relation", since="2025-05-04T00:00:00Z", source="Partner agreement of May 2025, section 4"
    )

    kind: RelationKind
    since: Moment
    source: LongText = Field(description="What documents it: the order, the balancing test")


class Permission(BaseModel):
    """What would happen if a mail were sent now."""

    allowed: bool
    rule_id: str = Field(description="The rule that decides, such as FI.role_mailbox.none.yes")


class Suppressions(Schema):
    """Addresses that must never be mailed again, whatever an import says."""

    model_config = example(addresses=["info@cluster.example"], reason="Asked by telephone")

    addresses: list[Annotated[str, StringConstraints(max_length=320)]] = Field(
        min_length=1, max_length=10_000, description="What is no address is counted as unusable"
    )
    reason: ShortText


class SuppressionCount(BaseModel):
    """The list holds keyed hashes only, so it cannot be read back."""

    taken: int = Field(description="Addresses of this request, each once")
    unusable: int = Field(description="Entries of this request that are no addresses")
    total: int = Field(description="Addresses on the list")
