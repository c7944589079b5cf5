"""People in the REST API."""

from datetime import datetime
from typing import Annotated, Literal

from cme_kit.schemas import CountryCode, LanguageCode, LongText, Schema, example
from pydantic import BaseModel, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f<>]+$")]
#: Good enough to refuse what no mail server takes; whether mail arrives only mail can tell.
EmailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r'^[^@\s\x00-\x1f<>",;]{1,64}@[^@\s\x00-\x1f<>",;.]+(\.[^@\s\x00-\x1f<>",;.]+)+$'
    ),
]


class Profile(Schema):
    """What a person tells about themself."""

    model_config = example(
        given_name="Rasa", family_name="Petraitytė", email="rasa@photonics.example", language="lt", country="LT"
    )

    given_name: Name = Field(description="Given name as the person writes it")
    family_name: Name = Field(description="Family name as the person writes it")
    email: EmailAddress = Field(description="Address for service messages")
    language: LanguageCode = Field(description="en, sv, fi, lt or de")
    country: CountryCode = Field(description="ISO 3166-1 alpha-2")


class PersonView(BaseModel):
    """A person as registered here."""

    person_id: str
    given_name: str
    family_name: str
    email: str
    language: str
    country: str
    updated_at: datetime


class Erasure(Schema):
    """Why a person's data is erased."""

    model_config = example(reason="Request of 12 January 2027 by Art. 17 GDPR")

    reason: LongText = Field(description="The request or the rule it follows; write no personal data")


class ErasureView(BaseModel):
    """That it is done here; the other services follow on person.erased."""

    person_id: str
    state: Literal["erased"]
    erased_at: datetime
