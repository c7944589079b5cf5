"""Offer seats, take the answers, and fill what becomes free from the waiting list."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from cme_contracts.enrolment import LearnerEnrolled, SeatDeclined, SeatExpired, SeatOffered
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.ids import new_id
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import Conflict, NotFound

from enrolment.applications.domain import Application, ApplicationState
from enrolment.applications.repository import ApplicationRepository
from enrolment.calls.domain import Call, Extension
from enrolment.calls.repository import CallRepository
from enrolment.calls.schemas import CallView, NewExtension
from enrolment.calls.service import Calls
from enrolment.learners.domain import enrol
from enrolment.learners.repository import LearnerRepository
from enrolment.offers.domain import Offer, OfferState
from enrolment.offers.repository import OfferRepository
from enrolment.offers.schemas import OfferView
from enrolment.selection.domain import choose, explain_promotion

READS_ALL = "enrolment.applications:read"
SWEEP_BATCH = 100


class SeatsTaken(Conflict):
    """All seats of the cohort are taken."""

    code = "seats_taken"


class SeatsNotRaised(Conflict):
    """An extension only adds seats."""

    code = "seats_not_raised"


class OfferAccepted(Conflict):
    """The offer was accepted."""

    code = "offer_accepted"


class OfferDeclined(Conflict):
    """The offer was declined."""

    code = "offer_declined"


class OfferExpired(Conflict):
    """The offer was not answered in time."""

    code = "offer_expired"


def _refuse_ended(state: OfferState) -> None:
    if state is OfferState.DECLINED:
        raise OfferDeclined("You declined this offer; the seat went to the next applicant.")
    if state is OfferState.EXPIRED:
        raise OfferExpired("The time to answer this offer is over; the seat went to the next applicant.")


class Offers:
    """Seats on offer. Every change of a call's seats goes through its document, in one transaction with the offer."""

    def __init__(
        self,
        offers: OfferRepository,
        calls: Calls,
        call_repository: CallRepository,
        applications: ApplicationRepository,
        learners: LearnerRepository,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._offers = offers
        self._calls = calls
        self._call_repository = call_repository
        self._applications = applications
        self._learners = learners
        self._outbox = outbox
        self._clock = clock

    @asynccontextmanager
    async def in_turn(self, offer_id: str) -> AsyncIterator[None]:
        """One after another for the call of this offer. Raises NotFound."""
        if (offer := await self._offers.find(offer_id)) is None:
            raise NotFound("offer")
        async with self._calls.in_turn(offer.call_id):
            yield

    async def make(self, tx: Transaction, applications: Sequence[Application], answer_by: datetime) -> dict[str, str]:
        """Offer seats to these applicants; the offer of each application. The caller counts them in the call."""
        offers = [
            Offer(
                offer_id=new_id("ofr"),
                application_id=application.application_id,
                call_id=application.call_id,
                person_id=application.person_id,
                organisation_id=application.organisation_id,
                country=application.country,
                offered_at=self._clock.now(),
                answer_by=answer_by,
            )
            for application in applications
        ]
        await self._offers.add(offers, tx.session)
        for offer in offers:
            await tx.emit(offer.offer_id, SeatOffered(**{key: getattr(offer, key) for key in SeatOffered.model_fields}))
        return {offer.application_id: offer.offer_id for offer in offers}

    async def accept(self, tx: Transaction, offer_id: str, principal: Principal) -> OfferView:
        """Take the seat; again answers the same. Raises SeatsTaken, OfferDeclined or OfferExpired."""
        now = self._clock.now()
        offer = await self._own(tx, offer_id, principal)
        if offer.state is OfferState.ACCEPTED:
            return OfferView.of(offer, now)
        _refuse_ended(offer.state_at(now))
        call = await self._call_repository.take_seat(offer.call_id, tx.session)
        if call is None:
            raise SeatsTaken(
                f"All seats are taken. Your offer stays open until {offer.answer_by.isoformat()}; "
                "try again if seats are added."
            )
        learner = enrol(new_id("enr"), offer, call, now)
        await self._learners.add(learner, tx.session)
        answered = await self._offers.answer(
            offer_id, OfferState.ACCEPTED, now, tx.session, enrolment_id=learner.enrolment_id
        )
        assert answered is not None  # read as open in this transaction
        event = LearnerEnrolled(**{key: getattr(learner, key) for key in LearnerEnrolled.model_fields})
        await tx.emit(learner.enrolment_id, event)
        return OfferView.of(answered, now)

    async def refuse(self, tx: Transaction, offer_id: str, reason: str | None, principal: Principal) -> OfferView:
        """Decline the seat; again answers the same. Raises OfferAccepted or OfferExpired."""
        now = self._clock.now()
        offer = await self._own(tx, offer_id, principal)
        if offer.state is OfferState.DECLINED:
            return OfferView.of(offer, now)
        if offer.state is OfferState.ACCEPTED:
            raise OfferAccepted("You accepted this offer. To leave, ask the coordinator for a withdrawal.")
        _refuse_ended(offer.state_at(now))
        answered = await self._end(tx, offer, OfferState.DECLINED, reason)
        return OfferView.of(answered, now)

    async def expire_due(self) -> int:
        """End every offer whose time is over, each with its promotion; how many were found."""
        due = await self._offers.due(self._clock.now(), SWEEP_BATCH)
        for offer in due:
            async with self._calls.in_turn(offer.call_id):
                await self._outbox.transaction(partial(self._expire, offer_id=offer.offer_id))
        return len(due)

    async def add_seats(self, tx: Transaction, call_id: str, new: NewExtension, principal: Principal) -> CallView:
        """Add seats by a decision, and offer what no open offer could fill. Raises SeatsNotRaised."""
        call = await self._calls.require(tx, call_id)
        if new.seats <= call.seats:
            raise SeatsNotRaised(f"The call has {call.seats} seats; an extension gives it more.")
        extension = Extension(
            seats_before=call.seats,
            seats_after=new.seats,
            reason=new.reason,
            decided_by=principal.subject,
            decided_at=self._clock.now(),
        )
        extended = await self._call_repository.extend(call_id, extension, tx.session)
        assert extended is not None  # its seats were read in this transaction
        return self._calls.view(await self.promote(tx, extended))

    async def promote(self, tx: Transaction, call: Call) -> Call:
        """Offer free places to the waiting list, within the quotas; the call afterwards."""
        if call.selection is None or call.places_to_offer == 0:
            return call
        waiting = await self._applications.waiting_list(call.call_id, tx.session)
        chosen = choose(waiting, call.places_to_offer, call.held, call.quotas)
        promoted = [application for application in waiting if application.application_id in chosen]
        if not promoted:
            return call
        for application in promoted:
            explanation = explain_promotion(application, chosen[application.application_id], call.quotas)
            assert application.rank is not None  # the selection ranked everybody on the list
            await self._applications.decide(
                application.application_id, ApplicationState.OFFERED, application.rank, explanation, tx.session
            )
        round_ = call.selection
        await self.make(tx, promoted, self._clock.now() + (round_.answer_by - round_.made_at))
        changed = await self._call_repository.offer(
            call.call_id, [application.country for application in promoted], tx.session
        )
        assert changed is not None  # calls are never deleted
        return changed

    async def get(self, offer_id: str, principal: Principal) -> OfferView:
        """The caller's offer, or any for those who read applications. Raises NotFound."""
        offer = await self._offers.find(offer_id)
        if offer is None or not (principal.may(READS_ALL) or offer.person_id == principal.subject):
            raise NotFound("offer")
        return OfferView.of(offer, self._clock.now())

    async def page_of_person(self, principal: Principal, paging: Paging) -> list[OfferView]:
        """A page of the caller's offers and one more, when there is one."""
        now = self._clock.now()
        found = await self._offers.page_of_person(principal.subject, paging.after, paging.limit + 1)
        return [OfferView.of(offer, now) for offer in found]

    async def _own(self, tx: Transaction, offer_id: str, principal: Principal) -> Offer:
        offer = await self._offers.find(offer_id, tx.session)
        if offer is None or offer.person_id != principal.subject:
            raise NotFound("offer")
        return offer

    async def _expire(self, tx: Transaction, offer_id: str) -> None:
        offer = await self._offers.find(offer_id, tx.session)
        # Answered, or swept by another replica, since it was found.
        if offer is not None and offer.state is OfferState.OPEN:
            await self._end(tx, offer, OfferState.EXPIRED, None)

    async def _end(self, tx: Transaction, offer: Offer, state: OfferState, reason: str | None) -> Offer:
        answered = await self._offers.answer(offer.offer_id, state, self._clock.now(), tx.session, reason=reason)
        assert answered is not None  # read as open in this transaction
        call = await self._call_repository.end_offer(offer.call_id, offer.country, tx.session)
        assert call is not None  # calls are never deleted
        event = SeatDeclined if state is OfferState.DECLINED else SeatExpired
        await tx.emit(offer.offer_id, event(**{key: getattr(offer, key) for key in event.model_fields}))
        await self.promote(tx, call)
        return answered
