"""`/gateway/v1/clients`."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.schemas import Page
from fastapi import Header, Request, Response

from gateway.clients.schemas import ClientRequest, ClientView, RegisteredClient
from gateway.clients.service import Clients

router = service_router("clients", "/gateway/v1/clients")
Registrar = Annotated[Principal, Requires("gateway.clients:write")]


@router.post("", status_code=201, summary="Register a client", response_model_exclude_none=True)
async def register(
    request: ClientRequest,
    principal: Registrar,
    clients: Annotated[Clients, Provided(Clients)],
    once: Once,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> RegisteredClient:
    """Register a system or an app. The secret is in this answer and never shown again."""
    secret = clients.new_secret(principal.subject, request.client_id, idempotency_key)
    client = await once(ClientView, lambda tx: clients.register(tx, request, secret))
    shown = secret if client.token_endpoint_auth_method == "client_secret_basic" else None
    return RegisteredClient(**client.model_dump(), client_secret=shown)


@router.get("", summary="List clients")
async def list_clients(
    request: Request, response: Response, _: Registrar, clients: Annotated[Clients, Provided(Clients)], paging: Paged
) -> Page[ClientView]:
    """All registered clients by their id."""
    found = await clients.page(paging.after, paging.limit)
    return page_of(request, response, found, paging, lambda client: client.client_id)
