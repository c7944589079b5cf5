"""Apply, waive a rule, read and score."""

from cme_contracts.enrolment import ApplicationSubmitted
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound

from enrolment.applications.domain import (
    Application,
    ApplicationState,
    Cluster,
    Score,
    check_eligibility,
    describe_failed,
    has_conflict_of_interest,
)
from enrolment.applications.repository import ApplicationRepository
from enrolment.applications.schemas import ApplicationView, NewApplication, NewScore, ScoreView
from enrolment.calls.domain import CallState
from enrolment.calls.repository import CallRepository
from enrolment.organisations.service import Organisations
from enrolment.people.service import People, require_person

READS_ALL = "enrolment.applications:read"
DECIDES = "enrolment.selection:write"


class CallClosed(Conflict):
    """The call takes no applications now."""

    code = "call_closed"


class AlreadyApplied(Conflict):
    """One application per person and call."""

    code = "already_applied"


class AlreadyDecided(Conflict):
    """The selection was made, or the application was taken back."""

    code = "already_decided"


class AlreadyEligible(Conflict):
    """There is nothing to waive."""

    code = "already_eligible"


class NotEligible(Conflict):
    """The application misses a rule that was not waived."""

    code = "not_eligible"


class ConflictOfInterest(Conflict):
    """The reader is too near to the applicant."""

    code = "conflict_of_interest"


class AlreadyScored(Conflict):
    """This reader has scored it."""

    code = "already_scored"


class FullyScored(Conflict):
    """Two others have scored it."""

    code = "fully_scored"


class Applications:
    """Applications to calls, until the selection decides on them."""

    def __init__(
        self,
        applications: ApplicationRepository,
        calls: CallRepository,
        people: People,
        organisations: Organisations,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._calls = calls
        self._people = people
        self._organisations = organisations
        self._clock = clock

    async def submit(self, tx: Transaction, call_id: str, new: NewApplication, principal: Principal) -> ApplicationView:
        """Apply. Raises CallClosed, ProfileMissing, UnknownOrganisation, AlreadyApplied."""
        person_id = require_person(principal)
        now = self._clock.now()
        call = await self._calls.count_application(call_id, tx.session)
        if call is None:
            raise NotFound("call")
        if call.state_at(now) is not CallState.OPEN:
            window = f"{call.opens_at:%Y-%m-%d %H:%M} to {call.closes_at:%Y-%m-%d %H:%M} UTC"
            raise CallClosed(f"This call takes applications from {window}.")
        await self._people.require_profile(tx, person_id)
        await self._organisations.require(tx, new.organisation_id)
        cluster = Cluster(**new.cluster.model_dump())
        application = Application(
            application_id=new_id("app"),
            call_id=call_id,
            person_id=person_id,
            cluster=cluster,
            eligibility=check_eligibility(cluster),
            submitted_at=now,
            **new.model_dump(exclude={"cluster"}),
        )
        if not await self._applications.add(application, tx.session):
            raise AlreadyApplied("You have applied to this call. One application per person counts.")
        fields = ApplicationSubmitted.model_fields
        event = ApplicationSubmitted(**{key: getattr(application, key) for key in fields})
        await tx.emit(application.application_id, event)
        return self._view(application, principal)

    async def waive(self, tx: Transaction, application_id: str, reason: str, principal: Principal) -> ApplicationView:
        """Treat an application as eligible. Raises AlreadyEligible or AlreadyDecided."""
        application = await self._require(tx, application_id)
        if application.eligibility.eligible:
            raise AlreadyEligible("This application is eligible; it needs no waiver.")
        waived = application.eligibility.model_copy(update={"eligible": True, "waived": True, "waiver_reason": reason})
        changed = await self._applications.waive(application_id, waived, principal.subject, tx.session)
        if changed is None:
            raise AlreadyDecided(f"This application is {application.state.value}; a waiver comes too late.")
        return self._view(changed, principal)

    async def score(self, tx: Transaction, application_id: str, new: NewScore, principal: Principal) -> ScoreView:
        """Score as one of two readers.

        Raises ConflictOfInterest, NotEligible, AlreadyDecided, AlreadyScored or FullyScored.
        """
        reader_id = require_person(principal)
        application = await self._require(tx, application_id)
        if has_conflict_of_interest(application, reader_id, principal.organisation_id):
            raise ConflictOfInterest("You belong to the applicant's organisation; somebody else has to read this.")
        if not application.eligibility.eligible:
            missed = describe_failed(application.eligibility)
            raise NotEligible(f"Not eligible: {missed}. It can be read once a waiver is given.")
        if application.state is not ApplicationState.SUBMITTED:
            raise AlreadyDecided(f"This application is {application.state.value}; scores come too late.")
        if any(score.reader_id == reader_id for score in application.scores):
            raise AlreadyScored("You have scored this application.")
        score = Score(
            score_id=new_id("scr"),
            reader_id=reader_id,
            total=new.motivation + new.experience + new.impact,
            scored_at=self._clock.now(),
            **new.model_dump(),
        )
        if await self._applications.score(application_id, score, tx.session) is None:
            raise FullyScored("Two readers have scored this application.")
        return ScoreView.of(application_id, score)

    async def withdraw(self, tx: Transaction, application_id: str, principal: Principal) -> ApplicationView:
        """Take the caller's own application back before it is decided. Raises NotFound or AlreadyDecided."""
        application = await self._require(tx, application_id)
        if application.person_id != principal.subject:
            raise NotFound("application")
        if application.state is ApplicationState.WITHDRAWN:
            return self._view(application, principal)
        changed = await self._applications.withdraw(application_id, tx.session)
        if changed is None:
            raise AlreadyDecided(
                "The selection decided on this application; answer your offer instead, if you have one."
            )
        return self._view(changed, principal)

    async def get(self, application_id: str, principal: Principal) -> ApplicationView:
        """An application of the caller, or any for those who read them. Raises NotFound."""
        application = await self._applications.find(application_id)
        if application is None or not (principal.may(READS_ALL) or application.person_id == principal.subject):
            raise NotFound("application")
        return self._view(application, principal)

    async def page_of_call(self, call_id: str, principal: Principal, paging: Paging) -> list[ApplicationView]:
        """A page of a call's applications and one more, when there is one. Raises NotFound for an unknown call."""
        if await self._calls.find(call_id) is None:
            raise NotFound("call")
        found = await self._applications.page({"call_id": call_id}, paging.after, paging.limit + 1)
        return [self._view(application, principal) for application in found]

    async def page_of_person(self, principal: Principal, paging: Paging) -> list[ApplicationView]:
        """A page of the caller's applications and one more, when there is one."""
        found = await self._applications.page({"person_id": principal.subject}, paging.after, paging.limit + 1)
        return [self._view(application, principal) for application in found]

    async def _require(self, tx: Transaction, application_id: str) -> Application:
        if (application := await self._applications.find(application_id, tx.session)) is None:
            raise NotFound("application")
        return application

    @staticmethod
    def _view(application: Application, principal: Principal) -> ApplicationView:
        """Readers score without knowing the other's score; applicants see the decision, not the readers."""
        if application.person_id == principal.subject or not principal.may(READS_ALL):
            return ApplicationView.of(application, [])
        if application.is_read or principal.may(DECIDES):
            return ApplicationView.of(application, application.scores)
        own = [score for score in application.scores if score.reader_id == principal.subject]
        return ApplicationView.of(application, own)
