"""Plans and the programme versions they belong to."""

from __future__ import annotations

from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from assessment.plans.domain import Plan, Programme

PLANS = "plans"
PROGRAMMES = "programmes"
INDEXES = (
    Index(PLANS, ("programme_id", "version", "unit_id"), unique=True),
    Index(PLANS, ("assessing_institution_id",)),
    Index(PLANS, ("validating_institution_id",)),
    Index(PLANS, ("recognising_institution_id",)),
)


def _plan(row: Document) -> Plan:
    return Plan.model_validate({**row, "plan_id": row["_id"]})


def _version_key(programme_id: str, version: int) -> str:
    return f"{programme_id}@{version}"


class PlanRepository:
    """Reads and writes plans and pinned programme versions."""

    def __init__(self, database: Database) -> None:
        self._plans = database.collection(PLANS)
        self._programmes = database.collection(PROGRAMMES)

    async def add_programme(self, programme: Programme, plans: list[Plan], session: Session) -> None:
        """Store a published version with the plans of its units."""
        key = _version_key(programme.programme_id, programme.version)
        await self._programmes.insert({"_id": key, **programme.model_dump()}, session=session)
        rows = [{"_id": plan.plan_id, **plan.model_dump(exclude={"plan_id"})} for plan in plans]
        await self._plans.insert_many(rows, session=session)

    async def programme(self, programme_id: str, version: int, session: Session | None = None) -> Programme | None:
        """A published version, or None while it is not known here."""
        row = await self._programmes.find_one({"_id": _version_key(programme_id, version)}, session=session)
        return Programme.model_validate(row) if row else None

    async def find(self, plan_id: str, session: Session | None = None) -> Plan | None:
        """A plan by its id."""
        row = await self._plans.find_one({"_id": plan_id}, session=session)
        return _plan(row) if row else None

    async def of_unit(self, programme_id: str, version: int, unit_id: str, session: Session) -> Plan | None:
        """The plan of a unit of a programme version."""
        key = {"programme_id": programme_id, "version": version, "unit_id": unit_id}
        row = await self._plans.find_one(key, session=session)
        return _plan(row) if row else None

    async def of_version(self, programme_id: str, version: int) -> list[Plan]:
        """The plans of a programme version, in the order of its modules."""
        key = {"programme_id": programme_id, "version": version}
        return [_plan(row) for row in await self._plans.find(key, sort=[("_id", 1)])]

    async def of_institution(self, institution_id: str, *, assessing_only: bool = False) -> list[str]:
        """Ids of the plans in which an institution has a duty."""
        duties: dict[str, Any] = {"assessing_institution_id": institution_id}
        if not assessing_only:
            others = ("validating_institution_id", "recognising_institution_id")
            duties = {"$or": [duties, *({field: institution_id} for field in others)]}
        return [str(row["_id"]) for row in await self._plans.find(duties, fields=["_id"])]

    async def has_institution(self, programme_id: str, institution_id: str) -> bool:
        """Whether an institution has a duty in any plan of a programme."""
        plans = await self._plans.find({"programme_id": programme_id})
        return any(institution_id in _plan(row).institutions for row in plans)

    async def page(self, programme_id: str | None, version: int | None, after: str | None, limit: int) -> list[Plan]:
        """Plans after a cursor, one more than `limit` when there are."""
        chosen: dict[str, Any] = {}
        if programme_id is not None:
            chosen["programme_id"] = programme_id
        if version is not None:
            chosen["version"] = version
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_plan(row) for row in await self._plans.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def change(self, plan_id: str, revision: int, fields: Document, session: Session) -> Plan | None:
        """Change a plan that still has this revision; None when it has another."""
        update = {"$set": fields, "$inc": {"revision": 1}}
        row = await self._plans.change({"_id": plan_id, "revision": revision}, update, session=session)
        return _plan(row) if row else None
