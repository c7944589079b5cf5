"""Contacts over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Provided, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.strict_json import UnsupportedMediaType
from fastapi import Query, Request

from outreach.consents.domain import Purpose
from outreach.contacts.schemas import ContactImport, ContactList, ContactView, NewContact
from outreach.contacts.service import ContactExists, Contacts, UnreadableContacts, UnusableContact
from outreach.imports.router import CSV_BODY, TooLarge, csv_body

router = service_router("contacts", "/outreach/v1")


@router.get("/clusters/{cluster_id}/contacts")
async def list_contacts(
    cluster_id: str,
    contacts: Annotated[Contacts, Provided(Contacts)],
    _: Annotated[Principal, Requires("outreach.directory:read")],
) -> ContactList:
    """The contacts of a cluster, each with what it may be mailed for and by which rule."""
    return await contacts.of_cluster(cluster_id)


@router.post("/clusters/{cluster_id}/contacts", status_code=201, responses=refusals(ContactExists, UnusableContact))
async def add_contact(
    cluster_id: str,
    body: NewContact,
    once: Once,
    contacts: Annotated[Contacts, Provided(Contacts)],
    _: Annotated[Principal, Requires("outreach.directory:write")],
) -> ContactView:
    """Add a contact by hand. That says nothing about consent."""
    return await once(ContactView, lambda tx: contacts.add(tx, cluster_id, body))


@router.post(
    "/contacts/import",
    status_code=201,
    openapi_extra=CSV_BODY,
    responses=refusals(UnreadableContacts, UnsupportedMediaType, TooLarge),
)
async def import_contacts(
    request: Request,
    once: Once,
    contacts: Annotated[Contacts, Provided(Contacts)],
    principal: Annotated[Principal, Requires("outreach.consents:write")],
    purpose: Annotated[list[Purpose], Query(description="Purposes that the consents of this list were given for")],
    source: Annotated[str, Query(min_length=1, max_length=200, description="Name of the list")] = "upload",
    obtained_from: Annotated[str | None, Query(max_length=200, description="Whom the addresses come from")] = None,
) -> ContactImport:
    """Import contacts with their documented legal bases.

    Columns: `contact_id`, `org_id` (an external id of the cluster), `name`, `role`, `email`, `lang`, `phone`, `basis`
    (`consent_doi`, `consent_single`, `soft_opt_in`, `legit_interest_b2b` or `none`), `basis_ts`,
    `consent_text_version`, `withdrawn_ts`.
    """
    raw = await csv_body(request)
    return await once(
        ContactImport,
        lambda tx: contacts.import_list(
            tx, raw, purpose, source=source, obtained_from=obtained_from, by=principal.subject
        ),
    )
