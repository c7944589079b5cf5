"""Counts by client, group of routes and day; the recent requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from cme_kit.mongo import BulkWriteError, Database, Document, Index

from gateway.usage.domain import Daily, Place, RecordedRequest, Tally

COUNTS = "usage_counts"
REQUESTS = "usage_requests"
KEPT_DAYS = 400
KEPT_REQUESTS = timedelta(days=7)
INDEXES = (
    Index(COUNTS, ("client_id", "day")),
    Index(COUNTS, ("day",), expire_seconds=int(timedelta(days=KEPT_DAYS).total_seconds())),
    Index(REQUESTS, ("client_id", "-_id")),
    Index(REQUESTS, ("client_id", "status_class", "-_id")),
    Index(REQUESTS, ("at",), expire_seconds=int(KEPT_REQUESTS.total_seconds())),
)
#: Rows of one command; the embedded server is slow at longer lists.
CHUNK = 100


class UsageRepository:
    """What clients asked for."""

    def __init__(self, database: Database) -> None:
        self._counts = database.collection(COUNTS)
        self._requests = database.collection(REQUESTS)

    async def add(self, day: date, tallies: Mapping[Place, Tally]) -> list[Place]:
        """Add up to CHUNK counts to those of all replicas; the places where another replica was in the way.

        Raises PyMongoError.
        """
        places = list(tallies)
        try:
            await self._counts.update_each(
                [
                    (
                        {"_id": _row_id(day, place)},
                        {
                            "$inc": _numbers(tallies[place]),
                            "$setOnInsert": {"client_id": place.client_id, "group": place.group, "day": _start(day)},
                        },
                    )
                    for place in places
                ],
                upsert=True,
            )
        except BulkWriteError as error:
            # Two replicas that count somebody's first request of a day insert the same row.
            return [places[failed["index"]] for failed in (error.details or {}).get("writeErrors", [])]
        return []

    async def used(self, day: date, places: Sequence[Place]) -> dict[Place, int]:
        """What all replicas counted towards the quotas, for up to CHUNK places."""
        by_id = {_row_id(day, place): place for place in places}
        rows = await self._counts.find({"_id": {"$in": list(by_id)}}, fields=["used"])
        return {by_id[row["_id"]]: row["used"] for row in rows}

    async def used_by_all(self, day: date) -> dict[Place, int]:
        """What was counted towards every quota of a day."""
        rows = await self._counts.find({"day": _start(day)}, fields=["client_id", "group", "used"])
        return {Place(row["client_id"], row["group"]): row["used"] for row in rows}

    async def days_of(self, client_id: str, since: date) -> list[Daily]:
        """A client's days with requests, the newest first."""
        rows = await self._counts.find({"client_id": client_id, "day": {"$gte": _start(since)}})
        days: dict[date, Tally] = {}
        for row in rows:
            tally = Tally(**{name: row[name] for name in ("requests", "client_errors", "server_errors")})
            days.setdefault(row["day"].date(), Tally()).add(tally)
        return [
            Daily(day, tally.requests, tally.client_errors, tally.server_errors)
            for day, tally in sorted(days.items(), reverse=True)
        ]

    async def store(self, requests: Sequence[tuple[str, RecordedRequest]]) -> None:
        """Store recent requests with their client's id. Raises PyMongoError."""
        await self._requests.insert_many([_request_row(client_id, request) for client_id, request in requests])

    async def used_of(self, client_id: str, day: date) -> dict[str, int]:
        """What all replicas counted towards the quotas of a client, by group of routes."""
        rows = await self._counts.find({"client_id": client_id, "day": _start(day)}, fields=["group", "used"])
        return {row["group"]: row["used"] for row in rows}

    async def requests_of(
        self, client_id: str, before: str | None, limit: int, status_class: int | None = None
    ) -> list[RecordedRequest]:
        """A client's requests, the newest first, at most `limit`; `status_class` is the first digit of the status."""
        asked: Document = {"client_id": client_id}
        if status_class is not None:
            asked["status_class"] = status_class
        if before is not None:
            asked["_id"] = {"$lt": before}
        rows = await self._requests.find(asked, sort=[("_id", -1)], limit=limit)
        return [_request(row) for row in rows]


def _row_id(day: date, place: Place) -> str:
    return f"{day} {place.group} {place.client_id}"


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _numbers(tally: Tally) -> Document:
    return {
        "used": tally.used,
        "requests": tally.requests,
        "client_errors": tally.client_errors,
        "server_errors": tally.server_errors,
    }


def _request_row(client_id: str, request: RecordedRequest) -> Document:
    return {
        "_id": request.record_id,
        "client_id": client_id,
        "at": request.at,
        "method": request.method,
        "path": request.path,
        "template": request.template,
        "status": request.status,
        "status_class": request.status // 100,
        "duration_ms": request.duration_ms,
        "trace_id": request.trace_id,
        "problem": request.problem,
    }


def _request(row: Document) -> RecordedRequest:
    return RecordedRequest(
        record_id=row["_id"],
        at=row["at"],
        method=row["method"],
        path=row["path"],
        template=row["template"],
        status=row["status"],
        duration_ms=row["duration_ms"],
        trace_id=row["trace_id"],
        problem=row["problem"],
    )
