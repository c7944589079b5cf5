"""Events of the gateway: told by webhooks only, of the webhooks themselves."""

from datetime import datetime

from pydantic import Field

from cme_contracts.registry import Event, event


@event("com.clustereducation.gateway.webhook.disabled.v1", on_bus=False)
class WebhookDisabled(Event):
    """A webhook was disabled because its receiver failed for days, or answered that it is gone."""

    webhook_id: str = Field(description="hook_…")
    reason: str = Field(description="failing or gone")
    failing_since: datetime | None = Field(description="When it last began to fail, UTC; null when it did not")
    disabled_at: datetime = Field(description="Since when nothing is sent, UTC")
