"""Make the selection of a call, and show it."""

from datetime import datetime

from cme_contracts.enrolment import ApplicationRanked
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, FieldError, NotFound, Unprocessable

from enrolment.applications.domain import Application, ApplicationState
from enrolment.applications.repository import ApplicationRepository
from enrolment.calls.domain import CallState, SelectionRound
from enrolment.calls.repository import CallRepository
from enrolment.calls.service import AlreadySelected, Calls
from enrolment.offers.repository import OfferRepository
from enrolment.offers.service import Offers
from enrolment.selection.domain import decide
from enrolment.selection.schemas import RankedView, SelectionView


class CallNotClosed(Conflict):
    """Applications can still come in."""

    code = "call_not_closed"


class ScoresMissing(Conflict):
    """An eligible application was not read by two."""

    code = "scores_missing"


class AnswerTimeOver(Unprocessable):
    """Nobody could answer an offer."""

    code = "answer_time_over"


class Selections:
    """The one selection of each call."""

    def __init__(
        self,
        calls: Calls,
        call_repository: CallRepository,
        applications: ApplicationRepository,
        offers: Offers,
        offer_repository: OfferRepository,
        clock: Clock,
    ) -> None:
        self._calls = calls
        self._call_repository = call_repository
        self._applications = applications
        self._offers = offers
        self._offer_repository = offer_repository
        self._clock = clock

    async def make(self, tx: Transaction, call_id: str, answer_by: datetime, principal: Principal) -> SelectionView:
        """Rank, offer and explain, in one transaction.

        Raises CallNotClosed, AlreadySelected, ScoresMissing or AnswerTimeOver.
        """
        now = self._clock.now()
        call = await self._calls.require(tx, call_id)
        if call.selection is not None:
            raise AlreadySelected("The selection of this call was made; read it with GET.")
        if call.state_at(now) is not CallState.CLOSED:
            raise CallNotClosed(f"The call closes at {call.closes_at.isoformat()}; select after that.")
        if answer_by <= now:
            raise AnswerTimeOver("Give applicants a moment in the future to answer by.")
        received = await self._applications.of_call(call_id, tx.session)
        applications = [one for one in received if one.state is ApplicationState.SUBMITTED]
        _require_scores(applications)

        decisions = decide(applications, call)
        round_ = SelectionRound(made_at=now, made_by=principal.subject, answer_by=answer_by)
        offered = [each.application for each in decisions if each.state is ApplicationState.OFFERED]
        countries = [application.country for application in offered]
        await self._call_repository.select(call_id, round_, countries, tx.session)
        for each in decisions:
            application_id = each.application.application_id
            await self._applications.decide(application_id, each.state, each.rank, each.explanation, tx.session)
            ranked = ApplicationRanked(
                application_id=application_id, call_id=call_id, rank=each.rank, decision=each.state.value
            )
            await tx.emit(application_id, ranked)
        offer_ids = await self._offers.make(tx, offered, answer_by)
        decided = [
            each.application.model_copy(
                update={"state": each.state, "rank": each.rank, "explanation": each.explanation}
            )
            for each in decisions
        ]
        return _view(call_id, round_, decided, offer_ids)

    async def get(self, call_id: str) -> SelectionView:
        """The list as it stands, promotions included. Raises NotFound before the selection."""
        call = await self._call_repository.find(call_id)
        if call is None or call.selection is None:
            raise NotFound("selection")
        applications = await self._applications.of_call(call_id)
        return _view(call_id, call.selection, applications, await self._offer_repository.ids_of_call(call_id))


def _require_scores(applications: list[Application]) -> None:
    unread = [one.application_id for one in applications if one.eligibility.eligible and not one.is_read]
    if unread:
        errors = [
            FieldError(field=application_id, code="scores_missing", detail="Two readers have to score it.")
            for application_id in unread[:50]
        ]
        raise ScoresMissing(f"{len(unread)} eligible applications lack scores of two readers.", errors=errors)


def _view(
    call_id: str, round_: SelectionRound, applications: list[Application], offer_ids: dict[str, str]
) -> SelectionView:
    ranked = [
        RankedView(
            application_id=application.application_id,
            person_id=application.person_id,
            rank=application.rank,
            score=application.points if application.eligibility.eligible else None,
            country=application.country,
            decision=application.state,
            explanation=application.explanation or "",
            offer_id=offer_ids.get(application.application_id),
        )
        for application in applications
        if application.rank is not None
    ]
    ranked.sort(key=lambda line: line.rank)
    return SelectionView(call_id=call_id, made_at=round_.made_at, answer_by=round_.answer_by, ranked=ranked)
