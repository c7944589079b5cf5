"""The DID document."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import Provided, service_router
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from credentials.keys.service import Issuer

router = service_router("verification")


class VerificationMethod(BaseModel):
    """A public key of the issuer."""

    id: str
    type: str
    controller: str
    publicKeyMultibase: str  # noqa: N815  (the name of DID Core)


class DidDocument(BaseModel):
    """A DID document (DID Core 1.0)."""

    model_config = ConfigDict(populate_by_name=True)

    context: list[str] = Field(alias="@context")
    id: str
    verificationMethod: list[VerificationMethod]  # noqa: N815  (the name of DID Core)
    assertionMethod: list[str]  # noqa: N815  (the name of DID Core)


@router.get("/did.json", include_in_schema=False)
@router.get("/.well-known/did.json", summary="The issuer's DID document")
async def did_document(
    response: Response, issuer: Annotated[Issuer, Provided(Issuer)], _: Annotated[None, Public()]
) -> DidDocument:
    """The did:web document with every key that ever signed a credential.

    The DID of an API without a path leads to the well-known address, that of one with a path to the other.
    """
    response.headers["Cache-Control"] = "public, max-age=300"
    return DidDocument.model_validate(await issuer.did_document())
