"""Importing cluster lists: read, plan, and unless it is a dry run write everything in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from cme_contracts.outreach import ClusterRegistered
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound, ServiceError

from outreach.addressing.domain import AddressKeys, kind_of
from outreach.contacts.domain import Contact
from outreach.contacts.repository import ContactRepository, SuppressionRepository
from outreach.csv_files.domain import CsvFile, UnreadableFile, read_csv
from outreach.directory.domain import Cluster, Value, directory_of, merged_fields, new_cluster, rekeyed
from outreach.directory.repository import ClusterRepository
from outreach.imports.domain import COLUMNS, REQUIRED, ListedContact, Outcome, ReadRow, read_row
from outreach.imports.repository import Import, ImportRepository, ImportRow
from outreach.imports.schemas import Counts, ImportRowView, ImportView
from outreach.planning.domain import PlannedRow, plan_import
from outreach.reviews.domain import Review
from outreach.reviews.repository import ReviewRepository


class UnreadableCsv(ServiceError):
    """The file as a whole cannot be read."""

    code, status = "unreadable_csv", 422


class Imports:
    """Cluster lists that officers upload."""

    def __init__(
        self,
        imports: ImportRepository,
        clusters: ClusterRepository,
        contacts: ContactRepository,
        suppressions: SuppressionRepository,
        reviews: ReviewRepository,
        keys: AddressKeys,
        clock: Clock,
        root_path: str = "",
    ) -> None:
        """`root_path` is where the API is served, for the links in its answers."""
        self._imports = imports
        self._clusters = clusters
        self._contacts = contacts
        self._suppressions = suppressions
        self._reviews = reviews
        self._keys = keys
        self._clock = clock
        self._root_path = root_path

    async def take_in(
        self, tx: Transaction, raw: bytes, *, source: str, obtained_from: str | None, dry_run: bool, by: str
    ) -> ImportView:
        """Plan a file and, unless it is a dry run, carry the plan out. Raises UnreadableCsv."""
        try:
            file = read_csv(raw, COLUMNS, REQUIRED)
        except UnreadableFile as error:
            raise UnreadableCsv(f"{error} Nothing was imported.") from error
        rows = [read_row(row, source) for row in file.rows]
        hashes = {self._keys.hash_of(contact.address) for row in rows for contact in row.contacts}
        # The guard first: from here on no other writer of the directory can commit beside us.
        await self._clusters.guard(tx.session)
        present = await self._clusters.sharing_a_key([row.keys() for row in rows if not row.refused], tx.session)
        objections = await self._suppressions.among(hashes, tx.session)
        asked = await self._reviews.fingerprints(tx.session)
        plan = plan_import(
            rows,
            directory_of(present),
            lambda address: self._keys.hash_of(address) in objections,
            asked,
            lambda: new_id("clu"),
        )
        import_id, now = new_id("imp"), self._clock.now()
        reviews = [] if dry_run else _reviews(plan, import_id, obtained_from, now)
        if not dry_run:
            await self._write_clusters(tx, plan, present, obtained_from, now)
            await self._write_contacts(tx, plan, objections, obtained_from, now)
            await self._reviews.add_many(reviews, tx.session)
        return await self._report(tx, import_id, file, plan, reviews, present, source, obtained_from, dry_run, by, now)

    async def _write_clusters(
        self,
        tx: Transaction,
        plan: Sequence[PlannedRow],
        present: dict[str, Cluster],
        obtained_from: str | None,
        now: datetime,
    ) -> None:
        working = dict(present)
        for planned in plan:
            if (
                planned.cluster_id is None
                or not (planned.creates or planned.cluster_id in working)
                or _is_question(planned)
            ):
                continue
            row = planned.row
            fields = {
                name: Value(value, row.source, obtained_from, now).document() for name, value in row.fields.items()
            }
            ids = [row.external_id] if row.external_id else []
            if planned.creates:
                cluster = new_cluster(planned.cluster_id, fields, row.keys(), external_ids=ids, created_at=now)
            else:
                known = working[planned.cluster_id]
                cluster = rekeyed(known, merged_fields(known.fields, fields), row.keys())
                cluster = cluster.model_copy(update={"external_ids": sorted({*known.external_ids, *ids})})
            working[planned.cluster_id] = cluster
        created = [cluster for cluster_id, cluster in working.items() if cluster_id not in present]
        await self._clusters.add_many(created, tx.session)
        for cluster_id, cluster in present.items():
            if working[cluster_id] != cluster:
                await self._clusters.replace(working[cluster_id], tx.session)
        for cluster in created:
            await tx.emit(cluster.cluster_id, ClusterRegistered(cluster_id=cluster.cluster_id, country=cluster.country))

    async def _write_contacts(
        self,
        tx: Transaction,
        plan: Sequence[PlannedRow],
        objections: dict[str, dict[str, datetime]],
        obtained_from: str | None,
        now: datetime,
    ) -> None:
        listed = [
            (planned, contact) for planned in plan if not _is_question(planned) for contact in planned.row.contacts
        ]
        hashes = {self._keys.hash_of(contact.address) for _, contact in listed}
        known = await self._contacts.known_pairs(hashes, tx.session)
        added = []
        for planned, contact in listed:
            address_hash = self._keys.hash_of(contact.address)
            if planned.cluster_id is None or (planned.cluster_id, address_hash) in known:
                continue  # what we have stays: an import gives nobody's consent and takes none
            known.add((planned.cluster_id, address_hash))
            added.append(
                contact_of(
                    contact, planned.cluster_id, address_hash, planned.row.source, obtained_from, now
                ).model_copy(update={"objections": objections.get(address_hash, {})})
            )
        await self._contacts.add_many(added, tx.session)

    async def _report(
        self,
        tx: Transaction,
        import_id: str,
        file: CsvFile,
        plan: Sequence[PlannedRow],
        reviews: Sequence[Review],
        present: dict[str, Cluster],
        source: str,
        obtained_from: str | None,
        dry_run: bool,
        by: str,
        now: datetime,
    ) -> ImportView:
        raised: dict[int, list[str]] = {}
        for review in reviews:
            raised.setdefault(review.row, []).append(review.review_id)
        rows = [
            ImportRow(
                row=planned.row.number,
                external_id=planned.row.external_id,
                outcome=planned.outcome,
                reasons=list(planned.reasons),
                # A dry run makes no entries, so only those that are there already can be named.
                cluster_id=planned.cluster_id if not dry_run or planned.cluster_id in present else None,
                review_ids=raised.get(planned.row.number, []),
            )
            for planned in plan
        ]
        made = Import(
            import_id=import_id,
            dry_run=dry_run,
            source=source,
            obtained_from=obtained_from,
            encoding=file.encoding,
            delimiter=file.delimiter,
            counts=_counts(plan),
            outcomes=dict(sorted(Counter(planned.outcome.value for planned in plan).items())),
            created_at=now,
            created_by=by,
        )
        await self._imports.add(made, rows, tx.session)
        return self._view(made)

    async def read(self, import_id: str) -> ImportView:
        """An import. Raises NotFound."""
        made = await self._imports.find(import_id)
        if made is None:
            raise NotFound("import")
        return self._view(made)

    def _view(self, made: Import) -> ImportView:
        return ImportView(
            **made.model_dump(exclude={"counts", "created_by"}),
            counts=Counts(**made.counts),
            rows=sum(made.outcomes.values()),
            rows_url=f"{self._root_path}/outreach/v1/imports/{made.import_id}/rows",
        )

    async def rows(self, import_id: str, outcomes: Sequence[str], after: int, limit: int) -> list[ImportRowView]:
        """The report, row by row. Raises NotFound."""
        if await self._imports.find(import_id) is None:
            raise NotFound("import")
        rows = await self._imports.rows(import_id, outcomes, after, limit)
        return [ImportRowView.model_validate(row.model_dump()) for row in rows]


def contact_of(
    listed: ListedContact, cluster_id: str, address_hash: str, source: str, obtained_from: str | None, now: datetime
) -> Contact:
    """A contact of a cluster as a list names it; nothing is said about consent."""
    return Contact(
        contact_id=new_id("con"),
        cluster_id=cluster_id,
        name=listed.name,
        role=listed.role,
        kind=kind_of(listed.address),
        address=listed.address,
        address_hash=address_hash,
        language=listed.language,
        phone=listed.phone,
        source=source,
        obtained_from=obtained_from,
        obtained_at=now,
    )


def _is_question(planned: PlannedRow) -> bool:
    """Whether nothing of the row is taken over before a person has decided, or ever."""
    return planned.cluster_id is None or (planned.outcome is Outcome.REVIEW and _asks_identity(planned))


def _asks_identity(planned: PlannedRow) -> bool:
    return "one_key_agrees_with_an_entry" in planned.reasons


def _counts(plan: Sequence[PlannedRow]) -> dict[str, int]:
    groups = {Outcome.MERGE: "merge", Outcome.REVIEW: "review", Outcome.REJECT_ROW: "reject"}
    counted = Counter(groups.get(planned.outcome, "create") for planned in plan)
    return {name: counted[name] for name in ("create", "merge", "review", "reject")}


def _reviews(plan: Sequence[PlannedRow], import_id: str, obtained_from: str | None, now: datetime) -> list[Review]:
    return [
        Review(
            review_id=new_id("rev"),
            kind=asked.kind,
            state="open",
            fingerprint=asked.fingerprint,
            cluster_id=planned.cluster_id or "",
            import_id=import_id,
            row=planned.row.number,
            external_id=planned.row.external_id,
            reason=asked.doubt.reason if asked.doubt else "one_key_agrees_with_an_entry",
            field=asked.doubt.field if asked.doubt else None,
            value=asked.doubt.value if asked.doubt else None,
            proposal=None if asked.doubt else _proposal(planned.row),
            source=planned.row.source,
            obtained_from=obtained_from,
            created_at=now,
        )
        for planned in plan
        for asked in planned.reviews
    ]


def _proposal(row: ReadRow) -> dict[str, object]:
    return {
        "fields": row.fields,
        "contacts": [vars(contact) for contact in row.contacts],
        "mail_domain": row.mail_domain,
    }
