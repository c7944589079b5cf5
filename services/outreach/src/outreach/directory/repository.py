"""Directory entries in MongoDB."""

from __future__ import annotations

from collections.abc import Collection

from cme_kit.mongo import Database, Document, Index, Session

from outreach.directory.domain import Cluster, Keys

CLUSTERS = "clusters"
ORGANISATIONS = "organisations"
GUARDS = "guards"
INDEXES = (
    Index(CLUSTERS, ("name_keys",)),
    Index(CLUSTERS, ("domains",)),
    Index(CLUSTERS, ("profile",)),
    Index(CLUSTERS, ("external_ids",)),
    Index(CLUSTERS, ("merged_into", "country", "_id")),
    Index(CLUSTERS, ("merged_into", "label", "_id")),
)


def _cluster(row: Document) -> Cluster:
    return Cluster.model_validate({**row, "cluster_id": row["_id"]})


def _row(cluster: Cluster) -> Document:
    label = cluster.fields.get("label", {}).get("value")
    return {
        "_id": cluster.cluster_id,
        **cluster.model_dump(exclude={"cluster_id"}),
        "country": cluster.country,
        "label": label,
    }


class ClusterRepository:
    """Reads and writes directory entries."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(CLUSTERS)
        self._organisations = database.collection(ORGANISATIONS)
        self._guards = database.collection(GUARDS)

    async def guard(self, session: Session) -> None:
        """Make two writers of the directory conflict: both looked whether an organisation is there already."""
        await self._guards.update({"_id": "directory"}, {"$inc": {"n": 1}}, upsert=True, session=session)

    async def add_many(self, clusters: Collection[Cluster], session: Session) -> None:
        """Store new entries."""
        await self._rows.insert_many([_row(cluster) for cluster in clusters], session=session)

    async def replace(self, cluster: Cluster, session: Session) -> Cluster:
        """Store an entry as it is now, one revision later."""
        later = cluster.model_copy(update={"revision": cluster.revision + 1})
        await self._rows.replace({"_id": cluster.cluster_id}, _row(later), session=session)
        return later

    async def find(self, cluster_id: str, session: Session | None = None) -> Cluster | None:
        """An entry by its id."""
        row = await self._rows.find_one({"_id": cluster_id}, session=session)
        return _cluster(row) if row else None

    async def find_many(self, cluster_ids: Collection[str], session: Session | None = None) -> dict[str, Cluster]:
        """Entries by their ids."""
        rows = await self._rows.find({"_id": {"$in": list(cluster_ids)}}, session=session)
        return {str(row["_id"]): _cluster(row) for row in rows}

    async def sharing_a_key(self, keys: Collection[Keys], session: Session) -> dict[str, Cluster]:
        """Every entry that shares a name, a domain or a profile with one of these."""
        names = sorted({name for one in keys for name in one.names})
        domains = sorted({domain for one in keys for domain in one.domains})
        profiles = sorted({one.profile for one in keys if one.profile})
        shared = [{"name_keys": {"$in": names}}, {"domains": {"$in": domains}}, {"profile": {"$in": profiles}}]
        rows = await self._rows.find({"merged_into": None, "$or": shared}, session=session)
        return {str(row["_id"]): _cluster(row) for row in rows}

    async def by_external_id(self, external_ids: Collection[str], session: Session | None = None) -> dict[str, str]:
        """The entry of each external id."""
        wanted = set(external_ids)
        chosen = {"external_ids": {"$in": sorted(wanted)}, "merged_into": None}
        rows = await self._rows.find(chosen, fields=["external_ids"], session=session)
        return {known: str(row["_id"]) for row in rows for known in row["external_ids"] if known in wanted}

    async def page(self, *, country: str | None, label: str | None, after: str | None, limit: int) -> list[Cluster]:
        """Entries that were not merged into others, oldest first, one more than `limit` when there are."""
        chosen: Document = {"merged_into": None}
        for field, value in (("country", country), ("label", label)):
            if value is not None:
                chosen[field] = value
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_cluster(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def audience(
        self, countries: Collection[str], labels: Collection[str], session: Session
    ) -> dict[str, str | None]:
        """The country of each entry that a campaign addresses; empty lists mean all."""
        chosen: Document = {"merged_into": None}
        if countries:
            chosen["country"] = {"$in": list(countries)}
        if labels:
            chosen["label"] = {"$in": list(labels)}
        rows = await self._rows.find(chosen, fields=["country"], session=session)
        return {str(row["_id"]): row["country"] for row in rows}

    async def names(self, cluster_ids: Collection[str]) -> dict[str, tuple[str, str | None]]:
        """Name and country of entries."""
        rows = await self._rows.find({"_id": {"$in": list(cluster_ids)}}, fields=["fields.name.value", "country"])
        return {str(row["_id"]): (row["fields"]["name"]["value"], row["country"]) for row in rows}

    async def repoint(self, from_id: str, to_id: str, session: Session) -> None:
        """Make what was merged into an entry point to the one that took it over."""
        await self._rows.update_many({"merged_into": from_id}, {"$set": {"merged_into": to_id}}, session=session)

    async def remember_organisation(
        self, organisation_id: str, kind: str, cluster_id: str | None, session: Session
    ) -> None:
        """Note an organisation of enrolment and the entry it is."""
        row = {"_id": organisation_id, "kind": kind, "cluster_id": cluster_id}
        await self._organisations.replace({"_id": organisation_id}, row, upsert=True, session=session)

    async def organisation(self, organisation_id: str, session: Session) -> tuple[str, str | None] | None:
        """Kind and entry of an organisation of enrolment, or None while it is unknown."""
        row = await self._organisations.find_one({"_id": organisation_id}, session=session)
        return (str(row["kind"]), row["cluster_id"]) if row else None
