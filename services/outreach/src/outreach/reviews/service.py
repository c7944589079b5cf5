"""Deciding what an import left open."""

from __future__ import annotations

from datetime import datetime

from cme_contracts.outreach import ClusterRegistered
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from outreach.addressing.domain import AddressKeys, DoubtfulAddress, UnusableAddress, normalise_address
from outreach.contacts.repository import ContactRepository, SuppressionRepository
from outreach.directory.domain import Cluster, Value, keys_of, merged_fields, new_cluster, plain, rekeyed
from outreach.directory.repository import ClusterRepository
from outreach.fields.domain import DateReading, clean_text, country_of_nuts, read_date
from outreach.imports.domain import ListedContact
from outreach.imports.service import contact_of
from outreach.reviews.domain import Review
from outreach.reviews.repository import ReviewRepository
from outreach.reviews.schemas import ReviewDecision, ReviewView


class AlreadyDecided(Conflict):
    """Somebody decided before."""

    code = "already_decided"


class ValueDoesNotFit(Unprocessable):
    """The value cannot be taken over as it is."""

    code = "value_does_not_fit"


class Reviews:
    """Questions for a person."""

    def __init__(
        self,
        reviews: ReviewRepository,
        clusters: ClusterRepository,
        contacts: ContactRepository,
        suppressions: SuppressionRepository,
        keys: AddressKeys,
        clock: Clock,
    ) -> None:
        self._reviews = reviews
        self._clusters = clusters
        self._contacts = contacts
        self._suppressions = suppressions
        self._keys = keys
        self._clock = clock

    async def page(self, *, state: str | None, after: str | None, limit: int) -> list[ReviewView]:
        """Questions, oldest first."""
        return [ReviewView.of(review) for review in await self._reviews.page(state=state, after=after, limit=limit)]

    async def read(self, review_id: str) -> ReviewView:
        """A question. Raises NotFound."""
        review = await self._reviews.find(review_id)
        if review is None:
            raise NotFound("review")
        return ReviewView.of(review)

    async def decide(self, tx: Transaction, review_id: str, answer: ReviewDecision, by: str) -> ReviewView:
        """Carry a person's answer out. Raises NotFound, AlreadyDecided or ValueDoesNotFit."""
        review = await self._reviews.find(review_id, tx.session)
        if review is None:
            raise NotFound("review")
        now = self._clock.now()
        decided = await self._reviews.decide(review_id, answer.decision, answer.note, by, now, tx.session)
        if decided is None:
            raise AlreadyDecided("This question was decided before; nothing was changed.")
        await self._clusters.guard(tx.session)
        cluster = await self._standing(tx, review.cluster_id)
        result: str | None = cluster.cluster_id
        if review.kind == "identity":
            result = await self._settle_identity(tx, review, cluster, answer.decision, now)
        elif answer.decision == "same":
            await self._take_value(tx, review, cluster, answer.value or review.value or "", now)
        return ReviewView.of(decided, result)

    async def _standing(self, tx: Transaction, cluster_id: str) -> Cluster:
        cluster = await self._clusters.find(cluster_id, tx.session)
        if cluster is not None and cluster.merged_into:
            cluster = await self._clusters.find(cluster.merged_into, tx.session)
        if cluster is None:
            raise NotFound("cluster")
        return cluster

    async def _settle_identity(
        self, tx: Transaction, review: Review, cluster: Cluster, decision: str, now: datetime
    ) -> str | None:
        if decision == "reject" or review.proposal is None:
            return None
        values = review.proposal["fields"]
        fields = {
            name: Value(value, review.source, review.obtained_from, now).document() for name, value in values.items()
        }
        keys = keys_of(values, review.proposal["mail_domain"])
        if decision == "same":
            merged = rekeyed(cluster, merged_fields(cluster.fields, fields), keys)
            ids = sorted({*cluster.external_ids, review.external_id} - {""})
            await self._clusters.replace(merged.model_copy(update={"external_ids": ids}), tx.session)
            cluster_id = cluster.cluster_id
        else:
            cluster_id = new_id("clu")
            ids = [review.external_id] if review.external_id else []
            entered = new_cluster(cluster_id, fields, keys, external_ids=ids, created_at=now)
            await self._clusters.add_many([entered], tx.session)
            await tx.emit(cluster_id, ClusterRegistered(cluster_id=cluster_id, country=entered.country))
        for listed in review.proposal["contacts"]:
            await self._add_contact(tx, ListedContact(**listed), cluster_id, review, now)
        return cluster_id

    async def _add_contact(
        self, tx: Transaction, listed: ListedContact, cluster_id: str, review: Review, now: datetime
    ) -> None:
        address_hash = self._keys.hash_of(listed.address)
        if (cluster_id, address_hash) in await self._contacts.known_pairs([address_hash], tx.session):
            return
        objections = (await self._suppressions.among([address_hash], tx.session)).get(address_hash, {})
        contact = contact_of(listed, cluster_id, address_hash, review.source, review.obtained_from, now)
        await self._contacts.add_many([contact.model_copy(update={"objections": objections})], tx.session)

    async def _take_value(self, tx: Transaction, review: Review, cluster: Cluster, text: str, now: datetime) -> None:
        if review.field == "contact_email":
            try:
                address = normalise_address(text)
            except (UnusableAddress, DoubtfulAddress) as error:
                raise ValueDoesNotFit(
                    "Give the right address in `value`, in plain ASCII. Nothing was changed."
                ) from error
            await self._add_contact(tx, ListedContact(address, "", "", "", ""), cluster.cluster_id, review, now)
            return
        field = review.field or "name"
        value = _fitting(field, text, plain(cluster.fields))
        added = {field: Value(value, review.source, review.obtained_from, now).document()}
        former = {field: cluster.fields[field]} if field in cluster.fields else {}
        fields = {**cluster.fields, **merged_fields(added, former)}
        await self._clusters.replace(rekeyed(cluster, fields, cluster.keys), tx.session)


def _fitting(field: str, text: str, known: dict[str, object]) -> str:
    if field == "nuts2" and country_of_nuts(text) != known.get("country"):
        raise ValueDoesNotFit(f"{text} is no region of {known.get('country')}; give the right one in `value`.")
    if field == "label_awarded":
        reading, day = read_date(text)
        if reading is not DateReading.SURE or day is None:
            raise ValueDoesNotFit("Give the day as YYYY-MM-DD in `value`.")
        return day.isoformat()
    return clean_text(text)
