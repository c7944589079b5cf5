"""Recording labels that clusters were awarded."""

from __future__ import annotations

from datetime import date

from cme_contracts.outreach import LabelAwarded
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from outreach.directory.domain import Cluster, Value, merged_fields
from outreach.directory.repository import ClusterRepository
from outreach.labels.domain import AwardKind, validity
from outreach.labels.repository import Label, LabelRepository
from outreach.labels.schemas import LabelList, LabelView, NewLabel


class AlreadyRecorded(Conflict):
    """This award is known."""

    code = "already_recorded"


class NothingToRenew(Conflict):
    """A renewal needs a label of the same level in its renewal window."""

    code = "nothing_to_renew"


class AwardedInFuture(Unprocessable):
    """An award that cannot have happened yet."""

    code = "in_the_future"


class Labels:
    """Cluster-management labels."""

    def __init__(self, labels: LabelRepository, clusters: ClusterRepository, clock: Clock) -> None:
        self._labels = labels
        self._clusters = clusters
        self._clock = clock

    async def award(self, tx: Transaction, cluster_id: str, new: NewLabel, by: str) -> LabelView:
        """Record a label. Raises NotFound, AwardedInFuture, AlreadyRecorded or NothingToRenew."""
        cluster = await self._clusters.find(cluster_id, tx.session)
        if cluster is None or cluster.merged_into:
            raise NotFound("cluster")
        if new.awarded_on > self._clock.today():
            raise AwardedInFuture("awarded_on lies in the future.")
        awarded_on = new.awarded_on.replace(day=1)
        known = await self._labels.of_cluster(cluster_id, tx.session)
        held = [label for label in known if label.level == new.level]
        renewed = None
        if new.kind is AwardKind.RENEWAL:
            fitting = [label for label in held if label.renew_from <= awarded_on <= label.renew_until]
            if not fitting:
                raise NothingToRenew(
                    "No label of this level is in its renewal window in that month; record it as `first`."
                )
            renewed = max(label.valid_until for label in fitting)
        span = validity(new.level, awarded_on, renewed)
        label = Label(
            label_id=new_id("lbl"),
            cluster_id=cluster_id,
            level=new.level.value,
            kind=new.kind.value,
            awarded_on=awarded_on,
            valid_until=span.valid_until,
            renew_from=span.renew_from,
            renew_until=span.renew_until,
            evidence_url=str(new.evidence_url),
            recorded_at=self._clock.now(),
            recorded_by=by,
        )
        if any(other.awarded_on == awarded_on for other in held):
            raise AlreadyRecorded("This label of this month is recorded.")
        try:
            await self._labels.add(label, tx.session)
        except DuplicateKeyError as error:
            raise AlreadyRecorded("This label of this month is recorded.") from error
        if all(other.awarded_on <= awarded_on for other in known):
            await self._show_on_entry(tx, cluster, label)
        await tx.emit(
            label.label_id,
            LabelAwarded(
                label_id=label.label_id,
                cluster_id=cluster_id,
                level=new.level,
                awarded_on=awarded_on,
                valid_until=label.valid_until,
            ),
        )
        return LabelView.model_validate(label.model_dump())

    async def _show_on_entry(self, tx: Transaction, cluster: Cluster, label: Label) -> None:
        stated = {
            "label": Value(label.level, label.evidence_url, None, label.recorded_at).document(),
            "label_awarded": Value(
                label.awarded_on.isoformat(), label.evidence_url, None, label.recorded_at
            ).document(),
        }
        former = {name: cluster.fields[name] for name in stated if name in cluster.fields}
        fields = {**cluster.fields, **merged_fields(stated, former)}
        await self._clusters.replace(cluster.model_copy(update={"fields": fields}), tx.session)

    async def of_cluster(self, cluster_id: str) -> LabelList:
        """A cluster's labels. Raises NotFound."""
        if await self._clusters.find(cluster_id) is None:
            raise NotFound("cluster")
        labels = await self._labels.of_cluster(cluster_id)
        return LabelList(items=[LabelView.model_validate(label.model_dump()) for label in labels])

    async def page(self, *, expiring_before: date | None, after: str | None, limit: int) -> list[LabelView]:
        """Labels, those that end before a day when given."""
        labels = await self._labels.page(expiring_before=expiring_before, after=after, limit=limit)
        return [LabelView.model_validate(label.model_dump()) for label in labels]
