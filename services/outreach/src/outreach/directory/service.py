"""Use cases of the directory: entering, correcting and merging organisations."""

from __future__ import annotations

from typing import Any

from cme_contracts.enrolment import OrganisationRegistered
from cme_contracts.outreach import ClusterMerged, ClusterRegistered
from cme_kit.clock import Clock
from cme_kit.http import stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from outreach.contacts.repository import ContactRepository
from outreach.directory.domain import (
    Agreement,
    Cluster,
    Keys,
    Value,
    directory_of,
    keys_of,
    merged_fields,
    new_cluster,
    plain,
    rekeyed,
)
from outreach.directory.repository import ClusterRepository
from outreach.directory.schemas import ClusterChange, ClusterView, MergeRequest, NewCluster
from outreach.fields.domain import country_of_nuts
from outreach.labels.repository import LabelRepository
from outreach.sending.repository import SendRepository
from outreach.touchpoints.repository import TouchpointRepository


class AlreadyThere(Conflict):
    """The directory has this organisation, or one that may be it."""

    code = "already_in_directory"


class CannotMerge(Conflict):
    """These two cannot become one."""

    code = "cannot_merge"


class WrongRegion(Unprocessable):
    """A NUTS-2 code of another country."""

    code = "nuts2_of_another_country"


class Clusters:
    """The cluster directory."""

    def __init__(
        self,
        clusters: ClusterRepository,
        contacts: ContactRepository,
        touchpoints: TouchpointRepository,
        labels: LabelRepository,
        sends: SendRepository,
        clock: Clock,
    ) -> None:
        self._clusters = clusters
        self._contacts = contacts
        self._touchpoints = touchpoints
        self._labels = labels
        self._sends = sends
        self._clock = clock

    async def enter(self, tx: Transaction, new: NewCluster) -> ClusterView:
        """Enter an organisation by hand. Raises AlreadyThere when a key agrees with an entry."""
        _check_region(new.nuts2, new.country)
        await self._clusters.guard(tx.session)
        values = new.model_dump(mode="json", exclude={"source", "obtained_from", "external_id"}, exclude_none=True)
        keys = keys_of(values)
        match, found = directory_of(await self._clusters.sharing_a_key([keys], tx.session)).best_match(keys)
        if match in (Agreement.SAME, Agreement.DOUBTFUL):
            raise AlreadyThere(f"{found} may be the same organisation; change that entry instead. Nothing was saved.")
        return ClusterView.of(
            await self._add(tx, values, keys, new.source, new.obtained_from, external_id=new.external_id)
        )

    async def _add(
        self,
        tx: Transaction,
        values: dict[str, Any],
        keys: Keys,
        source: str,
        obtained_from: str | None,
        *,
        external_id: str | None = None,
        organisation_id: str | None = None,
    ) -> Cluster:
        now = self._clock.now()
        cluster = new_cluster(
            new_id("clu"),
            {name: Value(value, source, obtained_from, now).document() for name, value in values.items()},
            keys,
            external_ids=[external_id] if external_id else [],
            organisation_ids=[organisation_id] if organisation_id else [],
            created_at=now,
        )
        await self._clusters.add_many([cluster], tx.session)
        await tx.emit(cluster.cluster_id, ClusterRegistered(cluster_id=cluster.cluster_id, country=cluster.country))
        return cluster

    async def read(self, cluster_id: str) -> ClusterView:
        """An entry. Raises NotFound."""
        cluster = await self._clusters.find(cluster_id)
        if cluster is None:
            raise NotFound("cluster")
        return ClusterView.of(cluster)

    async def page(self, *, country: str | None, label: str | None, after: str | None, limit: int) -> list[ClusterView]:
        """Entries, oldest first."""
        return [
            ClusterView.of(c) for c in await self._clusters.page(country=country, label=label, after=after, limit=limit)
        ]

    async def correct(self, tx: Transaction, cluster_id: str, expected: int, change: ClusterChange) -> ClusterView:
        """Correct fields by hand; the values they had stay beside them. Raises NotFound or PreconditionFailed."""
        cluster = await self._clusters.find(cluster_id, tx.session)
        if cluster is None or cluster.merged_into:
            raise NotFound("cluster")
        if cluster.revision != expected:
            raise stale()
        values = change.model_dump(mode="json", exclude={"source"}, exclude_none=True)
        known = plain(cluster.fields)
        _check_region(values.get("nuts2", known.get("nuts2")), values.get("country", known.get("country")))
        await self._clusters.guard(tx.session)
        now = self._clock.now()
        corrected = {name: Value(value, change.source, None, now).document() for name, value in values.items()}
        fields = merged_fields(corrected, {name: cluster.fields[name] for name in values if name in cluster.fields})
        changed = rekeyed(cluster, {**cluster.fields, **fields}, cluster.keys)
        return ClusterView.of(await self._clusters.replace(changed, tx.session))

    async def merge(self, tx: Transaction, cluster_id: str, request: MergeRequest) -> ClusterView:
        """Make two entries one: fields with provenance, contacts with the stricter consent, evidence, labels."""
        pair = await self._clusters.find_many([cluster_id, request.other], tx.session)
        kept, other = pair.get(cluster_id), pair.get(request.other)
        if kept is None or other is None:
            raise NotFound("cluster")
        if kept is other or cluster_id == request.other or kept.merged_into or other.merged_into:
            raise CannotMerge("Merge two different entries that were not merged before.")
        await self._clusters.guard(tx.session)
        merged = rekeyed(kept, merged_fields(kept.fields, other.fields), other.keys)
        merged = merged.model_copy(
            update={
                "external_ids": sorted({*kept.external_ids, *other.external_ids}),
                "organisation_ids": sorted({*kept.organisation_ids, *other.organisation_ids}),
            }
        )
        merged = await self._clusters.replace(merged, tx.session)
        await self._clusters.replace(other.model_copy(update={"merged_into": cluster_id}), tx.session)
        await self._clusters.repoint(other.cluster_id, cluster_id, tx.session)
        await self._move_contacts(tx, other.cluster_id, cluster_id)
        for rows in (self._touchpoints, self._labels, self._sends):
            await rows.move(other.cluster_id, cluster_id, tx.session)
        await tx.emit(cluster_id, ClusterMerged(cluster_id=cluster_id, merged_cluster_id=other.cluster_id))
        return ClusterView.of(merged)

    async def _move_contacts(self, tx: Transaction, from_id: str, to_id: str) -> None:
        present = {contact.address_hash: contact for contact in await self._contacts.of_cluster(to_id, tx.session)}
        for contact in await self._contacts.of_cluster(from_id, tx.session):
            twin = present.get(contact.address_hash)
            if twin is None:
                await self._contacts.move(contact.contact_id, to_id, tx.session)
            else:
                await self._contacts.replace(twin.united_with(contact), tx.session)
                await self._contacts.remove(contact.contact_id, tx.session)

    async def join_organisation(self, tx: Transaction, event: OrganisationRegistered) -> None:
        """A cluster organisation of enrolment is found in the directory by name and country, or enters it."""
        if await self._clusters.organisation(event.organisation_id, tx.session):
            return
        if event.kind != "cluster":
            await self._clusters.remember_organisation(event.organisation_id, event.kind, None, tx.session)
            return
        await self._clusters.guard(tx.session)
        values = {"name": event.name, "country": event.country}
        keys = keys_of(values)
        sharing = await self._clusters.sharing_a_key([keys], tx.session)
        same = [one for one in sharing.values() if one.country == event.country and keys.names & one.keys.names]
        if len(same) == 1:
            [cluster] = same
            joined = sorted({*cluster.organisation_ids, event.organisation_id})
            await self._clusters.replace(cluster.model_copy(update={"organisation_ids": joined}), tx.session)
        else:
            cluster = await self._add(tx, values, keys, "enrolment", None, organisation_id=event.organisation_id)
        await self._clusters.remember_organisation(event.organisation_id, event.kind, cluster.cluster_id, tx.session)


def _check_region(nuts2: str | None, country: str | None) -> None:
    if nuts2 and country_of_nuts(nuts2) != country:
        raise WrongRegion(f"{nuts2} is no region of {country}.")
