"""`/gateway/v1/clients`."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.outbox import Outbox
from cme_kit.schemas import Page
from fastapi import Header, Path, Request, Response

from gateway.clients.domain import ClientStatus
from gateway.clients.schemas import ClientRequest, ClientView, NewSecret, RegisteredClient, SecretView
from gateway.clients.service import ClientExists, Clients, LastSecret, NoSecrets, TooManySecrets

router = service_router("clients", "/gateway/v1/clients")
Registrar = Annotated[Principal, Requires("gateway.clients:write")]
OutboxHere = Annotated[Outbox, Provided(Outbox)]


@router.post(
    "", status_code=201, summary="Register a client", response_model_exclude_none=True, responses=refusals(ClientExists)
)
async def register(
    request: ClientRequest,
    principal: Registrar,
    clients: Annotated[Clients, Provided(Clients)],
    once: Once,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> RegisteredClient:
    """Register a system or an app. The secret is in this answer and never shown again."""
    secret = clients.new_secret(principal.subject, request.client_id, idempotency_key, sandbox=request.sandbox)
    client = await once(ClientView, lambda tx: clients.register(tx, request, secret, principal.subject))
    shown = secret if client.token_endpoint_auth_method == "client_secret_basic" else None
    return RegisteredClient(**client.model_dump(), client_secret=shown)


@router.get("", summary="List clients")
async def list_clients(
    request: Request, response: Response, _: Registrar, clients: Annotated[Clients, Provided(Clients)], paging: Paged
) -> Page[ClientView]:
    """All registered clients by their id."""
    found = await clients.page(paging.after, paging.limit)
    return page_of(request, response, found, paging, lambda client: client.client_id)


@router.post("/{client_id}/approval", summary="Approve a client")
async def approve(
    client_id: str, principal: Registrar, clients: Annotated[Clients, Provided(Clients)], outbox: OutboxHere
) -> ClientView:
    """Let a client that registered itself, or that was disabled, get tokens."""
    return await outbox.transaction(
        lambda tx: clients.set_status(tx, client_id, ClientStatus.ACTIVE, principal.subject)
    )


@router.post("/{client_id}/disabling", summary="Disable a client")
async def disable(
    client_id: str, principal: Registrar, clients: Annotated[Clients, Provided(Clients)], outbox: OutboxHere
) -> ClientView:
    """Give a client no more tokens, and refuse those that it has."""
    return await outbox.transaction(
        lambda tx: clients.set_status(tx, client_id, ClientStatus.DISABLED, principal.subject)
    )


@router.post(
    "/{client_id}/secrets",
    status_code=201,
    summary="Add a client secret",
    responses=refusals(NoSecrets, TooManySecrets),
)
async def add_secret(
    client_id: str,
    principal: Registrar,
    clients: Annotated[Clients, Provided(Clients)],
    once: Once,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> NewSecret:
    """Give a client its next secret. Both hold until the old one is removed, so that nothing is interrupted."""
    client = await clients.find(client_id)
    sandbox = client is not None and client.sandbox
    secret = clients.new_secret(principal.subject, client_id, idempotency_key, sandbox=sandbox)
    added = await once(SecretView, lambda tx: clients.add_secret(tx, client_id, secret, principal.subject))
    return NewSecret(**added.model_dump(), client_secret=secret)


@router.delete(
    "/{client_id}/secrets/{hint}", status_code=204, summary="Remove a client secret", responses=refusals(LastSecret)
)
async def remove_secret(
    client_id: str,
    hint: Annotated[str, Path(description="Last four characters of the secret")],
    principal: Registrar,
    clients: Annotated[Clients, Provided(Clients)],
    outbox: OutboxHere,
) -> None:
    """End a secret at once."""
    await outbox.transaction(lambda tx: clients.remove_secret(tx, client_id, hint, principal.subject))


@router.delete("/{client_id}", status_code=204, summary="Remove a client")
async def remove(
    client_id: str, principal: Registrar, clients: Annotated[Clients, Provided(Clients)], outbox: OutboxHere
) -> None:
    """Forget a client. Its tokens end within a second."""
    await outbox.transaction(lambda tx: clients.remove(tx, client_id, principal.subject))
