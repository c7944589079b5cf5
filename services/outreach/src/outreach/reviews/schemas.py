"""Shapes of the review API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from cme_kit.schemas import LongText, Schema, ShortText, example
from pydantic import BaseModel, Field

from outreach.reviews.domain import Review


class ReviewDecision(Schema):
    """A person's answer.

    To a question of identity: `same`, `different` or `reject`. To a question of a value: `same` (it is right as
    written, or as given in `value`), `different` or `reject` (it is left out).
    """

    model_config = example(decision="same", note="Same address and telephone number")

    decision: Literal["same", "different", "reject"]
    note: LongText
    value: ShortText | None = Field(default=None, description="The right value, when it is another than written")


class ReviewView(BaseModel):
    """A question that an import raised."""

    review_id: str
    kind: Literal["identity", "value"]
    state: Literal["open", "decided"]
    cluster_id: str = Field(description="The entry it is about; for identity the one it may be the same as")
    import_id: str
    row: int
    external_id: str
    reason: str
    field: str | None
    value: str | None = Field(description="As written; forgotten once decided")
    proposal: dict[str, Any] | None = Field(description="The row as it was understood; forgotten once decided")
    source: str
    created_at: datetime
    decision: str | None
    note: str | None
    decided_by: str | None
    decided_at: datetime | None
    result_cluster_id: str | None = Field(default=None, description="The entry that resulted")

    @classmethod
    def of(cls, review: Review, result_cluster_id: str | None = None) -> ReviewView:
        """The public side of a question."""
        return cls(**review.model_dump(exclude={"fingerprint", "obtained_from"}), result_cluster_id=result_cluster_id)
