"""Register people, and erase them."""

from cme_contracts.enrolment import PersonErased, PersonRegistered
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.mongo import Document
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import Conflict, Forbidden, NotFound

from enrolment.applications.repository import ApplicationRepository
from enrolment.learners.repository import LearnerRepository
from enrolment.offers.repository import OfferRepository
from enrolment.people.repository import PersonRepository
from enrolment.people.schemas import ErasureView, PersonView, Profile


class PersonRequired(Forbidden):
    """A system called what only a person may do."""

    code = "person_required"


class PersonWasErased(Conflict):
    """The person's data was erased under this id."""

    code = "person_erased"


class ProfileMissing(Conflict):
    """The person has not said who they are."""

    code = "profile_missing"


def require_person(principal: Principal) -> str:
    """The person who calls. Raises PersonRequired for a system."""
    if not principal.is_person:
        raise PersonRequired("Only a person may do this; sign in as one.")
    return principal.subject


def _view(document: Document) -> PersonView:
    return PersonView(person_id=document["_id"], **{key: value for key, value in document.items() if key != "_id"})


class People:
    """Who the persons behind the ids are; the only service that keeps it by their own word."""

    def __init__(
        self,
        people: PersonRepository,
        applications: ApplicationRepository,
        offers: OfferRepository,
        learners: LearnerRepository,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._people = people
        self._applications = applications
        self._offers = offers
        self._learners = learners
        self._outbox = outbox
        self._clock = clock

    async def introduce(self, principal: Principal, profile: Profile) -> PersonView:
        """Store the caller's profile; saying the same again changes nothing. Raises PersonWasErased."""
        person_id = require_person(principal)

        async def save(tx: Transaction) -> PersonView:
            stored = await self._people.find(person_id, tx.session)
            if stored and "erased_at" in stored:
                raise PersonWasErased("This person's data was erased. Ask for a new account.")
            person = PersonView(person_id=person_id, updated_at=self._clock.now(), **profile.model_dump())
            if stored and _view(stored).model_dump(exclude={"updated_at"}) == person.model_dump(exclude={"updated_at"}):
                return _view(stored)
            await self._people.save(person, tx.session)
            await tx.emit(person_id, PersonRegistered(person_id=person_id, **profile.model_dump(exclude={"country"})))
            return person

        return await self._outbox.transaction(save)

    async def get(self, principal: Principal) -> PersonView:
        """The caller's profile. Raises NotFound."""
        stored = await self._people.find(require_person(principal))
        if stored is None or "erased_at" in stored:
            raise NotFound("profile")
        return _view(stored)

    async def require_profile(self, tx: Transaction, person_id: str) -> None:
        """Raise ProfileMissing unless the person has introduced themself."""
        stored = await self._people.find(person_id, tx.session)
        if stored is None or "erased_at" in stored:
            raise ProfileMissing("Tell us who you are first: PUT /enrolment/v1/people/me.")

    async def erase(self, tx: Transaction, person_id: str, reason: str, principal: Principal) -> ErasureView:
        """Empty what is known of a person; ids, dates and counts stay. Again answers the same. Raises NotFound."""
        stored = await self._people.find(person_id, tx.session)
        if stored is None:
            raise NotFound("person")
        if "erased_at" in stored:
            return ErasureView(person_id=person_id, state="erased", erased_at=stored["erased_at"])
        now = self._clock.now()
        await self._people.erase(person_id, now, reason, principal.subject, tx.session)
        await self._applications.erase_person(person_id, tx.session)
        await self._offers.end_for(person_id, now, tx.session)
        await self._learners.erase_person(person_id, tx.session)
        await tx.erase_personal(person_id)
        await tx.emit(person_id, PersonErased(person_id=person_id))
        return ErasureView(person_id=person_id, state="erased", erased_at=now)
