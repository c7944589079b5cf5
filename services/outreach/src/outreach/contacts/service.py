"""Contacts of clusters: reading, adding one, importing a list with documented legal bases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cme_contracts.enrolment import PersonErased
from cme_contracts.outreach import ConsentRecorded
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, ServiceError, Unprocessable

from outreach.addressing.domain import AddressKeys, DoubtfulAddress, UnusableAddress, kind_of, normalise_address
from outreach.consents.domain import ConsentState, Method, Purpose, RelationKind
from outreach.consents.repository import ConsentRepository, Declaration
from outreach.contacts.domain import Contact, Relation
from outreach.contacts.repository import ContactRepository, SuppressionRepository
from outreach.contacts.schemas import ContactImport, ContactImportRow, ContactList, ContactView, NewContact
from outreach.csv_files.domain import CsvRow, UnreadableFile, read_csv
from outreach.directory.repository import ClusterRepository
from outreach.fields.domain import clean_text, escaped

#: Columns of a contact list with legal bases.
COLUMNS: dict[str, str | None] = {
    **{name: name for name in ("contact_id", "org_id", "name", "role", "email", "lang", "phone", "basis", "basis_ts")},
    **{name: name for name in ("consent_text_version", "withdrawn_ts")},
    **dict.fromkeys(("kind", "tracking_consent")),
}
METHODS = {"consent_doi": Method.DOUBLE_OPT_IN, "consent_single": Method.SINGLE_OPT_IN}
RELATIONS = {"soft_opt_in": RelationKind.EXISTING_RELATION, "legit_interest_b2b": RelationKind.BUSINESS_INTEREST}


class UnusableContact(Unprocessable):
    """The address cannot be taken over."""

    code = "unusable_address"


class ContactExists(Conflict):
    """The cluster has this address already."""

    code = "contact_exists"


class UnreadableContacts(ServiceError):
    """The file as a whole cannot be read."""

    code, status = "unreadable_csv", 422


class Contacts:
    """Whom we know at clusters."""

    def __init__(
        self,
        contacts: ContactRepository,
        suppressions: SuppressionRepository,
        ledger: ConsentRepository,
        clusters: ClusterRepository,
        keys: AddressKeys,
        clock: Clock,
    ) -> None:
        self._contacts = contacts
        self._suppressions = suppressions
        self._ledger = ledger
        self._clusters = clusters
        self._keys = keys
        self._clock = clock

    async def of_cluster(self, cluster_id: str) -> ContactList:
        """The contacts of a cluster. Raises NotFound."""
        cluster = await self._clusters.find(cluster_id)
        if cluster is None:
            raise NotFound("cluster")
        contacts = await self._contacts.of_cluster(cluster_id)
        return ContactList(items=[ContactView.of(contact, cluster.country) for contact in contacts])

    async def add(self, tx: Transaction, cluster_id: str, new: NewContact) -> ContactView:
        """Add a contact by hand. Raises NotFound, UnusableContact or ContactExists."""
        cluster = await self._clusters.find(cluster_id, tx.session)
        if cluster is None or cluster.merged_into:
            raise NotFound("cluster")
        try:
            address = normalise_address(new.address)
        except (UnusableAddress, DoubtfulAddress) as error:
            raise UnusableContact("Write the address plainly, such as name@cluster.example.") from error
        await self._clusters.guard(tx.session)
        address_hash = self._keys.hash_of(address)
        if (cluster_id, address_hash) in await self._contacts.known_pairs([address_hash], tx.session):
            raise ContactExists("The cluster has a contact with this address. Nothing was saved.")
        objections = (await self._suppressions.among([address_hash], tx.session)).get(address_hash, {})
        contact = Contact(
            **new.model_dump(exclude={"address"}),
            contact_id=new_id("con"),
            cluster_id=cluster_id,
            kind=kind_of(address),
            address=address,
            address_hash=address_hash,
            obtained_at=self._clock.now(),
            objections=objections,
        )
        await self._contacts.add_many([contact], tx.session)
        return ContactView.of(contact, cluster.country)

    async def import_list(
        self,
        tx: Transaction,
        raw: bytes,
        purposes: Sequence[Purpose],
        *,
        source: str,
        obtained_from: str | None,
        by: str,
    ) -> ContactImport:
        """Take over a contact list with its legal bases. Raises UnreadableContacts.

        A row's consent is recorded for each of `purposes`, with the list as proof; a withdrawal in it as well.
        """
        try:
            file = read_csv(raw, COLUMNS, ("org_id", "email"))
        except UnreadableFile as error:
            raise UnreadableContacts(f"{error} Nothing was imported.") from error
        await self._clusters.guard(tx.session)
        now = self._clock.now()
        clusters = await self._clusters.by_external_id({row.cells.get("org_id", "") for row in file.rows}, tx.session)
        known = {
            (one.cluster_id, one.address_hash): one
            for one in await self._contacts.of_clusters(set(clusters.values()), tx.session)
        }
        read = [(row, self._read(row, clusters)) for row in file.rows]
        hashes = {self._keys.hash_of(address) for _, (_, address, _) in read if address}
        objections = await self._suppressions.among(hashes, tx.session)
        added: dict[str, Contact] = {}
        changed: dict[str, Contact] = {}
        declarations: list[Declaration] = []
        report = []
        for row, (cluster_id, address, reason) in read:
            external_id = row.cells.get("contact_id", "")[:80]
            if cluster_id is None or address is None:
                report.append(
                    ContactImportRow(
                        row=row.number, external_id=external_id, outcome="rejected", reason=reason, contact_id=None
                    )
                )
                continue
            address_hash = self._keys.hash_of(address)
            present = known.get((cluster_id, address_hash))
            contact = present or _new_contact(row, cluster_id, address, address_hash, source, obtained_from, now)
            contact = contact.model_copy(update={"objections": objections.get(address_hash, contact.objections)})
            stated = _declared(row, contact, purposes, source, by, now)
            contact = _with_bases(contact, row, stated, source)
            declarations += stated
            known[cluster_id, address_hash] = contact
            (added if present is None or present.contact_id in added else changed)[contact.contact_id] = contact
            outcome = "created" if present is None else "updated"
            report.append(
                ContactImportRow(
                    row=row.number, external_id=external_id, outcome=outcome, reason=None, contact_id=contact.contact_id
                )
            )
        await self._contacts.add_many(list(added.values()), tx.session)
        for contact in changed.values():
            await self._contacts.replace(contact, tx.session)
        await self._ledger.add_many(declarations, tx.session)
        for one in declarations:
            stated_fields = one.model_dump(include={"consent_id", "contact_id", "purpose", "state", "recorded_at"})
            await tx.emit(one.contact_id, ConsentRecorded(**stated_fields))
        outcomes = [row.outcome for row in report]
        return ContactImport(
            created=outcomes.count("created"),
            updated=outcomes.count("updated"),
            rejected=outcomes.count("rejected"),
            consents_recorded=len(declarations),
            rows=report,
        )

    def _read(self, row: CsvRow, clusters: dict[str, str]) -> tuple[str | None, str | None, str | None]:
        cluster_id = clusters.get(row.cells.get("org_id", ""))
        times = [row.cells[name] for name in ("basis_ts", "withdrawn_ts") if row.cells.get(name)]
        try:
            if row.refused:
                reason: str | None = row.refused
            elif cluster_id is None:
                reason = "unknown_organisation"
            elif row.cells.get("basis", "") not in {"", "none", *METHODS, *RELATIONS}:
                reason = "basis_not_understood"
            elif any(_moment(time) is None for time in times):
                reason = "time_not_understood"
            else:
                return cluster_id, normalise_address(row.cells.get("email", "")), None
        except UnusableAddress:
            reason = "contact_address_unusable"
        except DoubtfulAddress:
            reason = "address_may_imitate_another"
        return None, None, reason

    async def erase_person(self, tx: Transaction, event: PersonErased) -> None:
        """Delete the contacts that are this person; that their address objected stays known by its hash."""
        for contact in await self._contacts.of_person(event.person_id, tx.session):
            await self._contacts.remove(contact.contact_id, tx.session)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _new_contact(
    row: CsvRow, cluster_id: str, address: str, address_hash: str, source: str, obtained_from: str | None, now: datetime
) -> Contact:
    cells = row.cells
    return Contact(
        contact_id=new_id("con"),
        cluster_id=cluster_id,
        name=escaped(clean_text(cells.get("name", "")))[:200],
        role=escaped(clean_text(cells.get("role", "")))[:100],
        kind=kind_of(address),
        address=address,
        address_hash=address_hash,
        language=clean_text(cells.get("lang", "")).lower()[:2],
        phone=clean_text(cells.get("phone", ""))[:40],
        source=source,
        obtained_from=obtained_from,
        obtained_at=now,
    )


def _declared(
    row: CsvRow, contact: Contact, purposes: Sequence[Purpose], source: str, by: str, now: datetime
) -> list[Declaration]:
    method = METHODS.get(row.cells.get("basis", ""))
    given_at = _moment(row.cells.get("basis_ts", ""))
    if method is None or given_at is None:
        return []
    withdrawn_at = _moment(row.cells.get("withdrawn_ts", ""))
    moments = [(ConsentState.GIVEN, given_at)] + ([(ConsentState.WITHDRAWN, withdrawn_at)] if withdrawn_at else [])
    return [
        Declaration(
            consent_id=new_id("cns"),
            contact_id=contact.contact_id,
            purpose=purpose,
            state=state,
            language=contact.language,
            text_version=row.cells.get("consent_text_version", "") or "unknown",
            method=method,
            given_at=at,
            proof=f"{source}, row {row.number}, {row.cells.get('contact_id', '')}".rstrip(", "),
            recorded_at=now,
            recorded_by=by,
        )
        for purpose in purposes
        for state, at in moments
        # What is in the ledger already is not declared again when a list is imported twice.
        if (present := contact.consents.get(purpose)) is None or present.given_at < at
    ]


def _with_bases(contact: Contact, row: CsvRow, stated: Sequence[Declaration], source: str) -> Contact:
    consents = dict(contact.consents)
    for one in sorted(stated, key=lambda one: one.given_at):
        consents[one.purpose] = one.as_state()
    kind, since = RELATIONS.get(row.cells.get("basis", "")), _moment(row.cells.get("basis_ts", ""))
    relation = Relation(kind=kind, since=since, source=source) if kind and since else contact.relation
    return contact.model_copy(update={"consents": consents, "relation": relation})
