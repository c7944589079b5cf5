"""Questions that an import leaves to a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Review(BaseModel):
    """A question: are two entries one organisation (`identity`), or what is the value of a field (`value`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    review_id: str
    kind: str
    state: str
    fingerprint: str
    cluster_id: str
    import_id: str
    row: int
    external_id: str
    reason: str
    field: str | None = None
    value: str | None = None
    proposal: dict[str, Any] | None = None
    source: str
    obtained_from: str | None = None
    created_at: datetime
    decision: str | None = None
    note: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
