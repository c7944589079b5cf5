"""Who the person is, for clients that people signed in to (OpenID Connect Core section 5)."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires, Unauthenticated
from cme_kit.http import Provided
from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.accounts.domain import Account
from gateway.accounts.service import Accounts

router = APIRouter(include_in_schema=False)
OfOpenId = Annotated[Principal, Requires("openid")]


class UserInfo(BaseModel):
    """Claims about a person, as far as the scopes allow."""

    sub: str
    name: str | None = None
    preferred_username: str | None = None
    locale: str | None = None
    email: str | None = None
    email_verified: bool | None = None


def claims_of(account: Account, scopes: frozenset[str]) -> UserInfo:
    """What a client may know of a person (OpenID Connect Core section 5.4)."""
    claims = UserInfo(sub=account.subject)
    if "profile" in scopes:
        claims.name, claims.locale = account.display_name, account.language
        claims.preferred_username = account.username
    if "email" in scopes and account.address is not None:
        # An address is the name that somebody signs in with; an account gets one from a mail or from who made it.
        claims.email, claims.email_verified = account.address, True
    return claims


@router.api_route("/oauth/userinfo", methods=["GET", "POST"], response_model_exclude_none=True)
async def userinfo(
    principal: OfOpenId,
    accounts: Annotated[Accounts, Provided(Accounts)],
    response: Response,
) -> UserInfo:
    """Claims about the person of the token (OpenID Connect Core section 5.3)."""
    account = await accounts.find(principal.subject)
    if account is None:
        raise Unauthenticated("The person of this token is not here any more.", scheme=principal.scheme)
    response.headers["Cache-Control"] = "no-store"
    return claims_of(account, principal.scopes)
