"""What operators ask to be made again: streams from the outbox, read models from the streams."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from cme_kit.auth import Principal, Requires
from cme_kit.http import service_router
from cme_kit.platform import Platform
from cme_kit.read_models import ReadModel, ReadModels
from cme_kit.streams import asking_the_broker

log = structlog.get_logger(__name__)
DryRun = Annotated[bool, Query(description="Only say what would change")]


class StreamRebuild(BaseModel):
    """What the streams of a service lacked."""

    dry_run: bool
    events: int = Field(description="Events that were published again, or would be")


class ModelRebuild(BaseModel):
    """The last rebuild of a read model."""

    state: Literal["building", "done", "failed"]
    dry_run: bool = Field(description="Whether it only compares")
    requested_at: datetime = Field(description="UTC")
    finished_at: datetime | None = Field(description="UTC; null while it is at work")
    events: int = Field(description="Events that were applied again")
    changed: int = Field(description="Documents that were wrong and put right; of a dry run: that are wrong")
    reason: str | None = Field(description="Why it failed")


class ReadModelView(BaseModel):
    """What a service keeps of the events of others, and can make from them again."""

    name: str
    types: list[str] = Field(description="Types of the events it is made of")
    documents: int = Field(description="What it holds")
    events: int = Field(description="Events of these types that were applied")
    rebuild: ModelRebuild | None = Field(description="The last one; null before the first")


def rebuilding_router(service: str) -> APIRouter:
    """Streams and read models of a service, made again."""
    router = service_router("operations", f"/{service}/v1/operations")

    @router.post("/stream/rebuild", summary="Publish again what the streams of this service lost")
    async def rebuild_streams(
        request: Request, principal: Annotated[Principal, Requires("operations:write")], *, dry_run: DryRun = False
    ) -> StreamRebuild:
        """The outbox is compared with the streams. Nobody applies anything twice."""
        platform: Platform = request.app.state.platform
        with asking_the_broker():
            events = await (platform.streams.count_missing() if dry_run else platform.streams.rebuild())
        log.warning("streams rebuilt", events=events, dry_run=dry_run, by=principal.subject)
        return StreamRebuild(dry_run=dry_run, events=events)

    @router.get("/models", summary="Read models that can be made again")
    async def list_models(
        request: Request, _: Annotated[Principal, Requires("operations:read")]
    ) -> list[ReadModelView]:
        """With what they hold and their last rebuilds."""
        return [_view(model) for model in await _models(request).overview()]

    @router.post("/models/{name}/rebuild", status_code=202, summary="Make a read model again from the streams")
    async def rebuild_model(
        request: Request,
        name: Annotated[str, Path(description="Name of the read model, as listed")],
        principal: Annotated[Principal, Requires("operations:write")],
        *,
        dry_run: DryRun = False,
    ) -> ReadModelView:
        """It is made beside the one in use, and each document that differs is put right; nothing is ever cleared.

        Readers see each document as it was until it is right. The list of models says how far it is.
        """
        model = await _models(request).request(name, dry_run=dry_run)
        log.warning("read model rebuild requested", model=name, dry_run=dry_run, by=principal.subject)
        return _view(model)

    return router


def _models(request: Request) -> ReadModels:
    models: ReadModels = request.app.state.platform.read_models
    return models


def _view(model: ReadModel) -> ReadModelView:
    return ReadModelView.model_validate(asdict(model))
