"""Bodies of the accounts API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cme_kit.schemas import LanguageCode, Schema, ShortText, example
from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints, WithJsonSchema

from gateway.clients.schemas import OrganisationId
from gateway.oauth.scopes import ROLES


def _role(value: str) -> str:
    if value not in ROLES:
        raise ValueError(f"roles are {', '.join(ROLES)}")
    return value


Role = Annotated[str, AfterValidator(_role), WithJsonSchema({"type": "string", "enum": list(ROLES)})]


class AccountRequest(Schema):
    """A person's account to create."""

    model_config = example(
        username="rasa@photonics.example",
        password="a long and good one of four words",  # noqa: S106  (of nobody)
        display_name="Rasa Petraitytė",
        language="lt",
        roles=["applicant"],
    )

    username: Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=r"^[^\s\x00-\x1f]+$")] = Field(
        description="What the person signs in with, such as an e-mail address; capitals do not matter"
    )
    password: Annotated[SecretStr, Field(min_length=8, max_length=256)] = Field(
        description="8 to 256 characters; stored as an Argon2id hash"
    )
    display_name: ShortText = Field(description="How pages address the person")
    language: LanguageCode = Field(default="en", description="The person's language")
    roles: list[Role] = Field(
        min_length=1, max_length=10, description="What the person may do; see the scopes of each role"
    )
    organisation_id: OrganisationId | None = Field(default=None, description="The organisation the person acts for")


class RolesRequest(Schema):
    """What a person may do from now on, and for whom."""

    model_config = example(roles=["assessor"], organisation_id="org_01k8z4m7qhe5tb3v9w2x6y0n1c")

    roles: list[Role] = Field(
        max_length=10, description="All roles of the person; none, and the person may only sign in"
    )
    organisation_id: OrganisationId | None = Field(default=None, description="The organisation the person acts for")


class AccountView(BaseModel):
    """An account, without its password."""

    subject: str = Field(description="per_…, the subject of the person's tokens")
    username: str = Field(description="What the person signs in with; the subject, when another provider vouches alone")
    display_name: str
    language: str
    roles: list[str]
    organisation_id: str | None = None
    organisation_name: str | None = Field(
        default=None, description="As the person wrote it at sign-up; nobody checked it"
    )
    created_at: datetime
