"""Recording evidence: by hand, from lists, from the interest page, from applications."""

from __future__ import annotations

from cme_contracts.enrolment import ApplicationSubmitted, PersonErased
from cme_contracts.outreach import TouchpointRecorded
from cme_kit.clock import Clock
from cme_kit.consumers import NotYet
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, Forbidden, NotFound, ServiceError, Unprocessable

from outreach.csv_files.domain import UnreadableFile, read_csv
from outreach.directory.repository import ClusterRepository
from outreach.sending.domain import Send
from outreach.touchpoints.domain import (
    COLUMNS,
    REQUIRED,
    TIER_OF_KIND,
    ListedTouchpoint,
    Tier,
    TouchpointState,
    first_state,
    read_touchpoint,
)
from outreach.touchpoints.repository import Touchpoint, TouchpointRepository
from outreach.touchpoints.schemas import NewTouchpoint, TouchpointImport, TouchpointImportRow, TouchpointView


class NeverCounts(Unprocessable):
    """Opens and the like are no evidence."""

    code = "never_counts"


class OccursInFuture(Unprocessable):
    """Evidence of something that cannot have happened yet."""

    code = "in_the_future"


class AlreadyRecorded(Conflict):
    """This evidence is recorded for this cluster."""

    code = "already_recorded"


class NothingToConfirm(Conflict):
    """It counts already."""

    code = "wrong_state"


class SecondPerson(Forbidden):
    """Whoever recorded it cannot confirm it."""

    code = "separation_of_duties"


class UnreadableEvents(ServiceError):
    """The file as a whole cannot be read."""

    code, status = "unreadable_csv", 422


class Touchpoints:
    """Evidence that clusters were reached."""

    def __init__(self, touchpoints: TouchpointRepository, clusters: ClusterRepository, clock: Clock) -> None:
        self._touchpoints = touchpoints
        self._clusters = clusters
        self._clock = clock

    async def record(self, tx: Transaction, new: NewTouchpoint, by: str) -> TouchpointView:
        """Record an occurrence by hand. Raises NotFound, NeverCounts, OccursInFuture or AlreadyRecorded."""
        cluster = await self._clusters.find(new.cluster_id, tx.session)
        if cluster is None or cluster.merged_into:
            raise NotFound("cluster")
        if new.kind in TIER_OF_KIND and TIER_OF_KIND[new.kind] != new.tier:
            right = TIER_OF_KIND[new.kind]
            raise NeverCounts(f"{new.kind} is evidence of {right}." if right else f"{new.kind} is evidence of nothing.")
        if new.occurred_on > self._clock.today():
            raise OccursInFuture("occurred_on lies in the future.")
        occurrence = f"manual {new.cluster_id} {new.kind} {new.occurred_on} {new.evidence.reference}"
        if await self._touchpoints.known([occurrence], tx.session):
            raise AlreadyRecorded("This evidence is recorded for this cluster and day.")
        state = first_state(new.tier, by_hand=True, has_evidence=True)
        touchpoint = self._touchpoint(
            new.cluster_id, new.tier, new.kind, occurrence, "manual", by, state=state
        ).model_copy(update={"occurred_on": new.occurred_on, "evidence": new.evidence.model_dump()})
        await self._store(tx, touchpoint)
        return _view(touchpoint)

    async def confirm(self, tx: Transaction, touchpoint_id: str, by: str) -> TouchpointView:
        """A second person confirms. Raises NotFound, SecondPerson or NothingToConfirm."""
        touchpoint = await self._touchpoints.find(touchpoint_id, tx.session)
        if touchpoint is None:
            raise NotFound("touchpoint")
        if touchpoint.recorded_by == by:
            raise SecondPerson("Somebody other than who recorded it has to confirm it.")
        confirmed = await self._touchpoints.confirm(touchpoint_id, by, self._clock.now(), tx.session)
        if confirmed is None:
            raise NothingToConfirm("This touchpoint counts already.")
        return _view(confirmed)

    async def import_events(self, tx: Transaction, raw: bytes, by: str) -> TouchpointImport:
        """Record the rows of an event list that are evidence. Raises UnreadableEvents."""
        try:
            file = read_csv(raw, COLUMNS, REQUIRED)
        except UnreadableFile as error:
            raise UnreadableEvents(f"{error} Nothing was imported.") from error
        read = [(row, read_touchpoint(row)) for row in file.rows]
        listed = [one for _, one in read if isinstance(one, ListedTouchpoint)]
        clusters = await self._clusters.by_external_id({one.organisation for one in listed}, tx.session)
        known = await self._touchpoints.known({f"import {one.event_id}" for one in listed}, tx.session)
        added: list[Touchpoint] = []
        report = []
        for row, one in read:
            event_id = row.cells.get("event_id", "")[:80]
            if isinstance(one, str) or one.organisation not in clusters:
                reason = one if isinstance(one, str) else "unknown_organisation"
                report.append(
                    TouchpointImportRow(
                        row=row.number, event_id=event_id, outcome="ignored", reason=reason, touchpoint_id=None
                    )
                )
                continue
            occurrence = f"import {one.event_id}"
            repeated = known.get(occurrence)
            if repeated is None:
                state = first_state(one.tier, by_hand=False, has_evidence=bool(one.evidence))
                touchpoint = self._touchpoint(
                    clusters[one.organisation], one.tier, one.kind, occurrence, "import", by, state=state
                )
                evidence = {"kind": "log", "reference": one.evidence or one.event_id, "note": None}
                touchpoint = touchpoint.model_copy(update={"occurred_on": one.occurred_on, "evidence": evidence})
                added.append(touchpoint)
                known[occurrence] = touchpoint.touchpoint_id
            outcome = "repeated" if repeated else "recorded"
            report.append(
                TouchpointImportRow(
                    row=row.number, event_id=event_id, outcome=outcome, reason=None, touchpoint_id=known[occurrence]
                )
            )
        await self._touchpoints.add_many(added, tx.session)
        for touchpoint in added:
            await _state_fact(tx, touchpoint)
        outcomes = [row.outcome for row in report]
        return TouchpointImport(
            recorded=outcomes.count("recorded"),
            repeated=outcomes.count("repeated"),
            ignored=outcomes.count("ignored"),
            rows=report,
        )

    async def register_interest(self, tx: Transaction, send: Send, interest: str) -> None:
        """A contact pressed a button on the interest page; the same wish twice is one touchpoint."""
        occurrence = f"interest {send.send_id} {interest}"
        if await self._touchpoints.known([occurrence], tx.session):
            return
        touchpoint = self._touchpoint(
            send.cluster_id, Tier.ENGAGED, "interest_registered", occurrence, "interest_page", send.contact_id
        )
        evidence = {"kind": "form_answer", "reference": send.send_id, "note": interest}
        await self._store(tx, touchpoint.model_copy(update={"evidence": evidence}))

    async def application_submitted(self, tx: Transaction, event: ApplicationSubmitted) -> None:
        """An application commits the applicant's cluster. Raises NotYet while its organisation is unknown here."""
        organisation = await self._clusters.organisation(event.organisation_id, tx.session)
        if organisation is None:
            raise NotYet(f"organisation {event.organisation_id} has not arrived")
        _, cluster_id = organisation
        if cluster_id is None:
            return  # a partner of the programme is no cluster to be won
        cluster = await self._clusters.find(cluster_id, tx.session)
        assert cluster is not None  # entries are never deleted
        occurrence = f"application {event.application_id}"
        if await self._touchpoints.known([occurrence], tx.session):
            return
        touchpoint = self._touchpoint(
            cluster.merged_into or cluster_id,
            Tier.COMMITTED,
            "application_submitted",
            occurrence,
            "enrolment",
            "enrolment",
        )
        evidence = {"kind": "application", "reference": event.application_id, "note": None}
        await self._store(tx, touchpoint.model_copy(update={"evidence": evidence, "person_id": event.person_id}))

    async def forget_person(self, tx: Transaction, event: PersonErased) -> None:
        """Forget who applied; that the cluster did stays."""
        await self._touchpoints.forget_person(event.person_id, tx.session)

    async def page(
        self, *, cluster_id: str | None, state: str | None, after: str | None, limit: int
    ) -> list[TouchpointView]:
        """Touchpoints, oldest first."""
        rows = await self._touchpoints.page(cluster_id=cluster_id, state=state, after=after, limit=limit)
        return [_view(row) for row in rows]

    def _touchpoint(
        self,
        cluster_id: str,
        tier: Tier,
        kind: str,
        occurrence: str,
        origin: str,
        by: str,
        *,
        state: TouchpointState = TouchpointState.COUNTED,
    ) -> Touchpoint:
        return Touchpoint(
            touchpoint_id=new_id("tpt"),
            cluster_id=cluster_id,
            tier=tier,
            kind=kind,
            occurred_on=self._clock.today(),
            evidence={},
            origin=origin,
            occurrence=occurrence,
            state=state,
            recorded_by=by,
            recorded_at=self._clock.now(),
        )

    async def _store(self, tx: Transaction, touchpoint: Touchpoint) -> None:
        await self._touchpoints.add_many([touchpoint], tx.session)
        await _state_fact(tx, touchpoint)


async def _state_fact(tx: Transaction, touchpoint: Touchpoint) -> None:
    facts = touchpoint.model_dump(include={"touchpoint_id", "cluster_id", "kind", "occurred_on"})
    await tx.emit(touchpoint.touchpoint_id, TouchpointRecorded(tier=touchpoint.tier, **facts))


def _view(touchpoint: Touchpoint) -> TouchpointView:
    return TouchpointView.model_validate(touchpoint.model_dump(exclude={"occurrence", "person_id"}))
