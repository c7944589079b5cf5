"""Calls in MongoDB. Each counter changes by one conditional update of the call's document."""

from datetime import datetime
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from enrolment.calls.domain import Call, Extension, SelectionRound

CALLS = "calls"
INDEXES: tuple[Index, ...] = ()  # read by _id only


def _call(document: Document) -> Call:
    return Call(call_id=document["_id"], **{key: value for key, value in document.items() if key != "_id"})


class CallRepository:
    """Calls by id."""

    def __init__(self, database: Database) -> None:
        self._calls = database.collection(CALLS)

    async def add(self, call: Call, session: Session) -> None:
        """Store a new call."""
        await self._calls.insert({"_id": call.call_id, **call.model_dump(exclude={"call_id"})}, session=session)

    async def find(self, call_id: str, session: Session | None = None) -> Call | None:
        """One call, or None."""
        found = await self._calls.find_one({"_id": call_id}, session=session)
        return _call(found) if found else None

    async def page(self, after: str | None, limit: int) -> list[Call]:
        """Calls after a cursor, oldest first."""
        filter_ = {"_id": {"$gt": after}} if after else {}
        return [_call(row) for row in await self._calls.find(filter_, sort=[("_id", 1)], limit=limit)]

    async def reschedule(self, call_id: str, revision: int, closes_at: datetime, session: Session) -> Call | None:
        """Set the end of the window; None when the revision is another one."""
        change = {"$set": {"closes_at": closes_at}, "$inc": {"revision": 1}}
        return await self._change({"_id": call_id, "revision": revision}, change, session)

    async def extend(self, call_id: str, extension: Extension, session: Session) -> Call | None:
        """Add seats; None when somebody else changed their number meanwhile."""
        added = extension.seats_after - extension.seats_before
        change = {
            "$inc": {"seats": added, "seats_left": added, "revision": 1},
            "$push": {"extensions": extension.model_dump()},
        }
        return await self._change({"_id": call_id, "seats": extension.seats_before}, change, session)

    async def count_application(self, call_id: str, session: Session) -> Call | None:
        """Count an application. A selection touches the same document, so none slips in behind it."""
        return await self._change({"_id": call_id}, {"$inc": {"applications": 1}}, session)

    async def select(self, call_id: str, round_: SelectionRound, countries: list[str], session: Session) -> Call | None:
        """Record the selection and the countries of its offers."""
        held = {f"held.{country}": countries.count(country) for country in set(countries)}
        change = {
            "$set": {"selection": round_.model_dump()},
            "$inc": {"offers_open": len(countries), "revision": 1, **held},
        }
        return await self._change({"_id": call_id, "selection": None}, change, session)

    async def offer(self, call_id: str, countries: list[str], session: Session) -> Call | None:
        """Count offers to applicants of these countries."""
        held = {f"held.{country}": countries.count(country) for country in set(countries)}
        return await self._change({"_id": call_id}, {"$inc": {"offers_open": len(countries), **held}}, session)

    async def take_seat(self, call_id: str, session: Session) -> Call | None:
        """Turn an open offer into a taken seat; None when no seat is left."""
        change = {"$inc": {"seats_left": -1, "offers_open": -1}}
        return await self._change({"_id": call_id, "seats_left": {"$gt": 0}}, change, session)

    async def end_offer(self, call_id: str, country: str, session: Session) -> Call | None:
        """Give back the place that an open offer held."""
        return await self._change({"_id": call_id}, {"$inc": {"offers_open": -1, f"held.{country}": -1}}, session)

    async def free_seat(self, call_id: str, country: str, session: Session) -> Call | None:
        """Give back a taken seat."""
        return await self._change({"_id": call_id}, {"$inc": {"seats_left": 1, f"held.{country}": -1}}, session)

    async def _change(self, filter_: Document, change: dict[str, Any], session: Session) -> Call | None:
        changed = await self._calls.change(filter_, change, session=session)
        return _call(changed) if changed else None
