"""Verification as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from cme_kit.schemas import Schema
from pydantic import BaseModel, ConfigDict, Field, model_validator

from credentials.verification.domain import CheckName, Result, Verdict


class VerificationRequest(Schema):
    """What to verify: a credential, or the address of one of our badges."""

    # A document is verified as it came: nothing in it may be trimmed.
    model_config = ConfigDict(
        str_strip_whitespace=False,
        json_schema_extra={
            "examples": [{"url": "https://api.clustereducation.example/badges/cred_01k8z4m7qhe5tb3v9w2x6y0n1c"}]
        },
    )

    credential: dict[str, Any] | None = Field(default=None, description="The signed credential, at most 256 KiB")
    url: str | None = Field(default=None, max_length=500, description="The address of a badge of this issuer")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.credential is None) == (self.url is None):
            raise ValueError("send either credential or url")
        return self


class CheckView(BaseModel):
    """One check."""

    check: CheckName
    result: Result
    detail: str = Field(description="What was looked at, in English")


class VerificationView(BaseModel):
    """All checks."""

    verified: bool = Field(description="Whether every check passed")
    checks: list[CheckView]
    verified_at: datetime = Field(description="When it was checked, UTC")


def verification_view(verdict: Verdict) -> VerificationView:
    """The view of a verdict."""
    checks = [CheckView(check=check.check, result=check.result, detail=check.detail) for check in verdict.checks]
    return VerificationView(verified=verdict.verified, checks=checks, verified_at=verdict.verified_at)
