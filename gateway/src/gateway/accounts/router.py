"""`/gateway/v1/accounts`."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.outbox import Outbox
from cme_kit.problems import NotFound
from cme_kit.schemas import Page
from fastapi import Path, Request, Response

from gateway.accounts.schemas import AccountRequest, AccountView, RolesRequest
from gateway.accounts.service import Accounts, UsernameTaken, WeakPassword

router = service_router("accounts", "/gateway/v1/accounts")
Registrar = Annotated[Principal, Requires("gateway.accounts:write")]


@router.post("", status_code=201, summary="Create an account", responses=refusals(UsernameTaken, WeakPassword))
async def create(
    request: AccountRequest, registrar: Registrar, accounts: Annotated[Accounts, Provided(Accounts)], once: Once
) -> AccountView:
    """Create a person's account. Its `subject` is the person's id everywhere."""
    account = await accounts.prepare(request)
    return await once(AccountView, lambda tx: accounts.create(tx, account, registrar.client_id))


@router.get("", summary="List accounts")
async def list_accounts(
    request: Request, response: Response, _: Registrar, accounts: Annotated[Accounts, Provided(Accounts)], paging: Paged
) -> Page[AccountView]:
    """All accounts, oldest first."""
    found = await accounts.page(paging.after, paging.limit)
    return page_of(request, response, found, paging, lambda account: account.subject)


@router.put("/{subject}/roles", summary="Give an account its roles", responses=refusals(NotFound))
async def give_roles(
    subject: Annotated[str, Path(description="`per_…`, the subject of the person's tokens")],
    request: RolesRequest,
    registrar: Registrar,
    accounts: Annotated[Accounts, Provided(Accounts)],
    outbox: Annotated[Outbox, Provided(Outbox)],
) -> AccountView:
    """Replace what a person may do. Tokens that the person's applications have keep their scopes until they expire."""
    roles = frozenset(request.roles)
    return await outbox.transaction(
        lambda tx: accounts.give_roles(tx, subject, roles, request.organisation_id, registrar.client_id)
    )
