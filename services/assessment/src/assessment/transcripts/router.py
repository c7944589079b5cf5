"""Transcripts and progress over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import refusals

from assessment.transcripts.schemas import Progress, Transcript
from assessment.transcripts.service import ProgrammeNotKnown, Transcripts

router = service_router("transcripts", "/assessment/v1")
Service = Annotated[Transcripts, Provided(Transcripts)]
Reader = Annotated[Principal, Requires("assessment.transcripts:read")]


@router.get("/learners/{enrolment_id}/transcript", responses=refusals(ProgrammeNotKnown))
async def read_transcript(enrolment_id: str, principal: Reader, transcripts: Service) -> Transcript:
    """A learner's transcript: targeted against achieved outcomes on the pinned programme version.

    For the learner, the institutions with duties in the programme, and coordinators.
    """
    return await transcripts.transcript(principal, enrolment_id)


@router.get("/cohorts/{cohort_id}/progress")
async def read_progress(cohort_id: str, principal: Reader, transcripts: Service) -> Progress:
    """How many learners of a cohort take part, left or completed, and how far their credits are."""
    return await transcripts.progress(principal, cohort_id)
