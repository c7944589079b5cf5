"""Plans: made from published programmes, completed by coordinators."""

from __future__ import annotations

from cme_contracts.curriculum import ProgrammePublished
from cme_kit.http import Paging, stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, FieldError, NotFound

from assessment.institutions.repository import InstitutionRepository
from assessment.plans.domain import DEFAULT_RUBRIC, Outcome, Plan, Programme, RubricLevel, check_duties, check_rubric
from assessment.plans.repository import PlanRepository
from assessment.plans.schemas import PlanChange, PlanView

DUTIES = ("assessing_institution_id", "validating_institution_id", "recognising_institution_id")


class UnknownOrganisation(Conflict):
    """A duty was given to an organisation that is not registered, or whose registration has not arrived here."""

    code = "unknown_organisation"


class Plans:
    """The use cases of plans."""

    def __init__(self, plans: PlanRepository, institutions: InstitutionRepository) -> None:
        self._plans = plans
        self._institutions = institutions

    async def apply_programme(self, tx: Transaction, event: ProgrammePublished) -> None:
        """A version was published: each of its units gets a plan with the default rubric."""
        if await self._plans.programme(event.programme_id, event.version, tx.session):
            return
        programme = Programme(
            programme_id=event.programme_id,
            version=event.version,
            title=event.title,
            content_hash=event.content_hash,
            points=event.points,
            unit_ids=[unit.unit_id for unit in event.units],
        )
        # Ids of one millisecond are in no order; sorted, the plans list in the order of the modules.
        plan_ids = sorted(new_id("pln") for _ in event.units)
        plans = [
            Plan(
                plan_id=plan_id,
                programme_id=event.programme_id,
                version=event.version,
                unit_id=unit.unit_id,
                unit_code=unit.code,
                module=unit.module,
                title=unit.title,
                points=unit.points,
                outcomes=[Outcome.model_validate(outcome.model_dump()) for outcome in unit.outcomes],
                method=unit.assessment_method,
                rubric=list(DEFAULT_RUBRIC),
            )
            for plan_id, unit in zip(plan_ids, event.units, strict=True)
        ]
        await self._plans.add_programme(programme, plans, tx.session)

    async def read(self, plan_id: str) -> PlanView:
        """A plan. Raises NotFound."""
        plan = await self._plans.find(plan_id)
        if plan is None:
            raise NotFound("plan")
        return PlanView.of(plan)

    async def page(self, programme_id: str | None, version: int | None, paging: Paging) -> list[PlanView]:
        """Plans in the order in which their programmes were published, then of their modules."""
        plans = await self._plans.page(programme_id, version, paging.after, paging.limit)
        return [PlanView.of(plan) for plan in plans]

    async def change(self, tx: Transaction, plan_id: str, revision: int, body: PlanChange) -> PlanView:
        """Decide method, rubric, due day and duties.

        Raises UnsoundRubric, DutiesNotSeparated, UnknownOrganisation, NotFound, or PreconditionFailed when somebody
        changed the plan meanwhile.
        """
        rubric = [RubricLevel.model_validate(level.model_dump()) for level in body.rubric]
        check_rubric(rubric)
        check_duties(body.assessing_institution_id, body.recognising_institution_id)
        named = {field: str(getattr(body, field)) for field in DUTIES}
        unknown = await self._institutions.unknown_of(named.values(), tx.session)
        if unknown:
            detail = "Name registered organisations; one that was just registered is known here in a moment."
            errors = [
                FieldError(field=f"body.{field}", code="unknown_organisation", detail="not a registered organisation")
                for field, organisation_id in named.items()
                if organisation_id in unknown
            ]
            raise UnknownOrganisation(detail, errors=errors)
        changed = await self._plans.change(plan_id, revision, body.model_dump(), tx.session)
        if changed is None:
            if await self._plans.find(plan_id, tx.session) is None:
                raise NotFound("plan")
            raise stale()
        return PlanView.of(changed)
