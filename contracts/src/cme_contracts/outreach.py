"""Events of outreach: clusters, consents, campaigns, touchpoints, labels."""

from datetime import date, datetime

from pydantic import Field

from cme_contracts.registry import Event, event


@event("com.clustereducation.outreach.cluster.registered.v1")
class ClusterRegistered(Event):
    """A cluster organisation entered the directory."""

    cluster_id: str = Field(description="clu_…")
    country: str | None = Field(description="ISO 3166-1 alpha-2, null while unknown")


@event("com.clustereducation.outreach.cluster.merged.v1")
class ClusterMerged(Event):
    """Two directory entries turned out to be one organisation."""

    cluster_id: str = Field(description="clu_… that stays")
    merged_cluster_id: str = Field(description="clu_… that now points to it")


@event("com.clustereducation.outreach.consent.recorded.v1")
class ConsentRecorded(Event):
    """A contact gave or withdrew consent for one purpose."""

    consent_id: str = Field(description="cns_…")
    contact_id: str = Field(description="con_…")
    purpose: str = Field(description="newsletter, event_invite, programme_service, survey")
    state: str = Field(description="given or withdrawn")
    recorded_at: datetime = Field(description="UTC")


@event("com.clustereducation.outreach.campaign.started.v1")
class CampaignStarted(Event):
    """A campaign's recipients were fixed and sending began."""

    campaign_id: str = Field(description="cmp_…")
    purpose: str = Field(description="The purpose that consent was checked for")
    recipients: int = Field(description="Contacts in the snapshot")


@event("com.clustereducation.outreach.campaign.finished.v1")
class CampaignFinished(Event):
    """No send of the campaign will change any more."""

    campaign_id: str = Field(description="cmp_…")
    sent: int = Field(description="Accepted by the relay")
    failed: int = Field(description="Refused by the relay for good")
    suppressed: int = Field(description="Not sent: consent or suppression said no")
    in_doubt: int = Field(
        description="Interrupted and not settled; 0, because a campaign with such sends is not finished"
    )


@event("com.clustereducation.outreach.touchpoint.recorded.v1")
class TouchpointRecorded(Event):
    """Evidence that a cluster organisation was reached, at a tier."""

    touchpoint_id: str = Field(description="tpt_…")
    cluster_id: str = Field(description="clu_…")
    tier: str = Field(description="informed, engaged, took_part or committed")
    kind: str = Field(description="What happened, such as interest_registered")
    occurred_on: date = Field(description="Day it happened")


@event("com.clustereducation.outreach.label.awarded.v1")
class LabelAwarded(Event):
    """A cluster holds a cluster-management label."""

    label_id: str = Field(description="lbl_…")
    cluster_id: str = Field(description="clu_…")
    level: str = Field(description="bronze, silver or gold")
    awarded_on: date = Field(description="Month of the interview, as its first day")
    valid_until: date = Field(description="Last day of validity")
