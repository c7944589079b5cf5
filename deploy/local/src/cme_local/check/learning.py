"""Invariants of enrolment and assessment: seats, learners, credit, completion."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from cme_local.check.records import COMPLETED, Document, Records
from cme_local.check.report import Invariant, invariant

#: The acts that each state of a credit rests on.
ACTS = {
    "assessed": ("assessed",),
    "validated": ("assessed", "validated"),
    "recognised": ("assessed", "validated", "recognised"),
}


def seats(records: Records) -> Invariant:
    """The counters of each call against its offers and learners."""
    offers: dict[str, list[Document]] = defaultdict(list)
    for offer in records.of("enrolment", "offers"):
        offers[offer["call_id"]].append(offer)
    learners: dict[str, list[Document]] = defaultdict(list)
    for learner in records.of("enrolment", "learners"):
        learners[learner["call_id"]].append(learner)
    calls = records.of("enrolment", "calls")
    found = [text for call in calls for text in _miscounts(call, offers[call["_id"]], learners[call["_id"]])]
    checked = len(calls) + len(records.of("enrolment", "offers"))
    return invariant("seats", "No call gives more seats than it has, and its counters equal its offers", checked, found)


def _miscounts(call: Document, offers: list[Document], learners: list[Document]) -> Iterator[str]:
    freed = [learner for learner in learners if _freed_seat(call, learner)]
    taken = sum(offer["state"] == "accepted" for offer in offers) - len(freed)
    still_open = sum(offer["state"] == "open" for offer in offers)
    if taken > call["seats"]:
        yield f"{call['_id']}: {taken} seats taken of {call['seats']}"
    if call["seats"] - call["seats_left"] != taken:
        yield f"{call['_id']}: counts {call['seats'] - call['seats_left']} seats taken, its offers say {taken}"
    if call["offers_open"] != still_open:
        yield f"{call['_id']}: counts {call['offers_open']} open offers, there are {still_open}"
    held = Counter(offer["country"] for offer in offers if offer["state"] in {"open", "accepted"})
    held.subtract(learner["country"] for learner in freed)
    if +held != +Counter(call["held"]):
        yield f"{call['_id']}: the places that countries hold are miscounted"


def _freed_seat(call: Document, learner: Document) -> bool:
    """Whether a learner left before the start (both days are ISO texts)."""
    withdrawal = learner.get("withdrawal")
    return bool(withdrawal and call["starts_on"] and withdrawal["withdrawn_on"] < call["starts_on"])


def learners(records: Records) -> Invariant:
    """Accepted offers against learners."""
    offers = {offer["_id"]: offer for offer in records.of("enrolment", "offers")}
    enrolled = records.of("enrolment", "learners")
    by_offer = Counter(learner["offer_id"] for learner in enrolled)
    accepted = [offer_id for offer_id, offer in offers.items() if offer["state"] == "accepted"]
    found = [
        f"{offer_id}: accepted, with {by_offer[offer_id]} learners" for offer_id in accepted if by_offer[offer_id] != 1
    ]
    for learner in enrolled:
        offer = offers.get(learner["offer_id"])
        if offer is None or offer["state"] != "accepted" or offer["enrolment_id"] != learner["_id"]:
            found.append(f"{learner['_id']}: a learner without an accepted offer")
    text = "Each accepted offer has one learner, each learner an accepted offer"
    return invariant("learners", text, len(accepted) + len(enrolled), found)


def credit_chain(records: Records) -> Invariant:
    """The acts of each credit."""
    rows = records.of("assessment", "credits")
    found = [f"{credit['_id']}: {text}" for credit in rows for text in _broken_chain(credit)]
    text = "Recognised credit was validated, validated credit assessed, each by another person than the learner"
    return invariant("credit_chain", text, len(rows), found)


def _broken_chain(credit: Document) -> Iterator[str]:
    acts = [credit.get(step) for step in ACTS[credit["state"]]]
    if not all(acts):
        yield f"{credit['state']} without a step before it"
    people = [act["actor_id"] for act in acts if act]
    if len({*people, credit["person_id"]}) <= len(people):
        yield "two of its acts are one person's, or one is the learner's"
    if credit["state"] != "assessed" and not credit["achieved"]:
        yield f"{credit['state']} although not achieved"
    if acts[0] and len(acts) == len(ACTS) and acts[-1] and acts[0]["institution_id"] == acts[-1]["institution_id"]:
        yield "assessed and recognised by one institution"


def completions(records: Records) -> Invariant:
    """Completions against the credits that they sum up."""
    credit_of = {credit["_id"]: credit for credit in records.of("assessment", "credits")}
    told: dict[str, list[Document]] = defaultdict(list)
    for event in records.events(COMPLETED):
        told[event["data"]["enrolment_id"]].append(event)
    enrolled = records.of("assessment", "learners")
    found = []
    for learner in enrolled:
        events = told.pop(learner["_id"], [])
        if len(events) != bool(learner["completed_on"]):
            found.append(f"{learner['_id']}: completed on record and {len(events)} times told")
        found += [f"{learner['_id']}: {text}" for event in events for text in _miscredited(event["data"], credit_of)]
        for unit in learner["recognised"]:
            credit = credit_of.get(unit["credit_id"])
            if credit is None or credit["state"] != "recognised" or credit["points_targeted"] != unit["points"]:
                found.append(f"{learner['_id']}: holds points of {unit['credit_id']}, which says otherwise")
    found += [f"{enrolment_id}: completed and no learner" for enrolment_id in told]
    text = "Each completion is told once, with the points of its recognised units"
    return invariant("completions", text, len(enrolled) + len(credit_of), found)


def _miscredited(completion: Document, credit_of: dict[str, Document]) -> Iterator[str]:
    rows = [credit_of.get(credit_id) for credit_id in completion["credit_ids"]]
    if not all(row is not None and row["state"] == "recognised" for row in rows):
        yield "completed by credit that is not recognised"
    elif completion["points"] != (earned := sum(row["points_targeted"] for row in rows if row)):
        yield f"completed with {completion['points']} points, its units give {earned}"


INVARIANTS = (seats, learners, credit_chain, completions)
