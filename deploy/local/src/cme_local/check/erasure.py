"""Invariant of erasure: of the persons that were erased no words are left, wherever the erasure arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cme_local.check.records import ERASED, Document, Records
from cme_local.check.report import Invariant, invariant

Left = Iterator[tuple[str, bool]]


def erasures(records: Records) -> Invariant:
    """Records of erased persons against what may be left of them."""
    checked, found = 0, []
    for event in records.events(ERASED):
        for service, look in LOOKS.items():
            if service != "enrolment" and event["_id"] not in records.inboxes.get(service, {}):
                continue  # it is on its way, which other invariants watch
            for record, has_words in look(records, event["data"]["person_id"]):
                checked += 1
                if has_words:
                    found.append(f"{record}: {service} still keeps words of an erased person")
    text = "Of erased persons no personal data is left in outboxes and records"
    return invariant("erasures", text, checked, found)


def _enrolment(records: Records, person_id: str) -> Left:
    for row in records.of("enrolment", "outbox"):
        if row["aggregate"] == person_id and row["nats_subject"].startswith("cme.personal."):
            yield row["_id"], not row["emptied"]
    for person in records.of("enrolment", "people"):
        if person["_id"] == person_id:
            yield person_id, bool(person.keys() - {"_id", "erased_at", "reason", "decided_by"})
    for application in _theirs(records, "enrolment", "applications", person_id):
        yield (
            application["_id"],
            bool(application["motivation"] or any(one["comment"] for one in application["scores"])),
        )
    for offer in _theirs(records, "enrolment", "offers", person_id):
        yield offer["_id"], bool(offer["reason"])
    for learner in _theirs(records, "enrolment", "learners", person_id):
        yield learner["_id"], bool((learner["withdrawal"] or {}).get("note"))


def _theirs(records: Records, service: str, collection: str, person_id: str) -> Iterator[Document]:
    return (row for row in records.of(service, collection) if row["person_id"] == person_id)


def _curriculum(records: Records, person_id: str) -> Left:
    for review in records.of("curriculum", "reviews"):
        if person_id in review["invited"]:
            words = [comment["text"] for comment in review["comments"] if comment["person_id"] == person_id]
            words += [vote["statement"] for vote in review["votes"] if vote["person_id"] == person_id]
            yield review["_id"], any(words)


def _assessment(records: Records, person_id: str) -> Left:
    enrolments = {row["_id"] for row in _theirs(records, "assessment", "learners", person_id)}
    contents = {row["_id"] for row in records.of("assessment", "contents")}
    for submission in records.of("assessment", "submissions"):
        if submission["enrolment_id"] in enrolments:
            yield submission["_id"], bool(submission["title"]) or submission["_id"] in contents
    for credit in records.of("assessment", "credits"):
        if credit["enrolment_id"] in enrolments:
            yield credit["_id"], bool(credit["feedback"] or credit["statement"])
    for appeal in _theirs(records, "assessment", "appeals", person_id):
        yield appeal["_id"], bool(appeal["grounds"])


def _credentials(records: Records, person_id: str) -> Left:
    for person in records.of("credentials", "people"):
        if person["_id"] == person_id:
            yield person_id, bool(person.keys() - {"_id", "erased"})


def _outreach(records: Records, person_id: str) -> Left:
    for collection in ("contacts", "touchpoints"):
        for row in _theirs(records, "outreach", collection, person_id):
            yield row["_id"], True


LOOKS: dict[str, Callable[[Records, str], Left]] = {
    "enrolment": _enrolment,
    "curriculum": _curriculum,
    "assessment": _assessment,
    "credentials": _credentials,
    "outreach": _outreach,
}
INVARIANTS = (erasures,)
