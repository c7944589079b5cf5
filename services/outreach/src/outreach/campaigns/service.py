"""Use cases of campaigns: drafting, starting with a fixed snapshot, settling what is in doubt."""

from __future__ import annotations

import asyncio
from email.utils import parseaddr

from cme_contracts.outreach import CampaignStarted
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound

from outreach.addressing.domain import AddressKeys
from outreach.campaigns.domain import Audience, Campaign, CampaignState, language_for
from outreach.campaigns.repository import CampaignRepository
from outreach.campaigns.schemas import CampaignCounts, CampaignView, NewCampaign, SendView, Settlement
from outreach.contacts.repository import ContactRepository
from outreach.directory.repository import ClusterRepository
from outreach.sending.domain import Send, SendState
from outreach.sending.repository import SendRepository


class WrongState(Conflict):
    """Only a draft can be started, only a send in doubt settled."""

    code = "wrong_state"


class NobodyToMail(Conflict):
    """The audience has no contact."""

    code = "empty_audience"


class Campaigns:
    """Mailings to clusters."""

    def __init__(
        self,
        campaigns: CampaignRepository,
        sends: SendRepository,
        contacts: ContactRepository,
        clusters: ClusterRepository,
        keys: AddressKeys,
        mail_from: str,
        wake: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._campaigns = campaigns
        self._sends = sends
        self._contacts = contacts
        self._clusters = clusters
        self._keys = keys
        self._domain = parseaddr(mail_from)[1].rpartition("@")[2]
        self.wake = wake
        self._clock = clock

    async def draft(self, tx: Transaction, new: NewCampaign, by: str) -> CampaignView:
        """Store a draft."""
        campaign = Campaign(
            **new.model_dump(exclude={"audience"}),
            audience=Audience(**new.audience.model_dump()),
            campaign_id=new_id("cmp"),
            state=CampaignState.DRAFT,
            created_at=self._clock.now(),
            created_by=by,
        )
        await self._campaigns.add(campaign, tx.session)
        return _view(campaign, {}, 0)

    async def start(self, tx: Transaction, campaign_id: str) -> CampaignView:
        """Fix who is addressed and begin to send. Raises NotFound, WrongState or NobodyToMail.

        The snapshot holds every address of the audience once; those that no rule allows are in it as suppressed.
        """
        now = self._clock.now()
        campaign = await self._campaigns.find(campaign_id, tx.session)
        if campaign is None:
            raise NotFound("campaign")
        started = await self._campaigns.move_on(
            campaign_id, CampaignState.DRAFT, CampaignState.SENDING, now, tx.session
        )
        if started is None:
            raise WrongState("Only a draft can be started; this campaign was started before.")
        sends = await self._snapshot(tx, started)
        if not sends:
            raise NobodyToMail("No cluster of this audience has a contact. Nothing was started.")
        await self._sends.add_many(sends, tx.session)
        await tx.emit(
            campaign_id, CampaignStarted(campaign_id=campaign_id, purpose=started.purpose, recipients=len(sends))
        )
        counts: dict[str, int] = {}
        for send in sends:
            counts[send.state] = counts.get(send.state, 0) + 1
        return _view(started, counts, 0)

    async def _snapshot(self, tx: Transaction, campaign: Campaign) -> list[Send]:
        countries = await self._clusters.audience(campaign.audience.countries, campaign.audience.labels, tx.session)
        now = self._clock.now()
        chosen: dict[str, Send] = {}
        for contact in await self._contacts.of_clusters(countries, tx.session):
            decision = contact.decide(campaign.purpose, countries[contact.cluster_id])
            present = chosen.get(contact.address_hash)
            if present is not None and (present.state is SendState.QUEUED or not decision.allowed):
                continue  # one mail per address; an allowed entry of the address stands before a refused one
            chosen[contact.address_hash] = Send(
                send_id=new_id("snd"),
                campaign_id=campaign.campaign_id,
                contact_id=contact.contact_id,
                cluster_id=contact.cluster_id,
                address_hash=contact.address_hash,
                purpose=campaign.purpose,
                country=countries[contact.cluster_id],
                language=language_for(contact.language, campaign.subject, campaign.body, campaign.action),
                state=SendState.QUEUED if decision.allowed else SendState.SUPPRESSED,
                rule_id=decision.rule_id,
                message_id=self._keys.message_id(campaign.campaign_id, contact.address_hash, self._domain),
                finished_at=None if decision.allowed else now,
            )
        return list(chosen.values())

    async def read(self, campaign_id: str) -> CampaignView:
        """A campaign with its figures. Raises NotFound."""
        campaign = await self._campaigns.find(campaign_id)
        if campaign is None:
            raise NotFound("campaign")
        counts = await self._sends.counts(campaign_id)
        return _view(campaign, counts, await self._sends.clusters_contacted(campaign_id))

    async def page(self, *, after: str | None, limit: int) -> list[CampaignView]:
        """Campaigns with their figures, oldest first."""
        return [
            _view(one, await self._sends.counts(one.campaign_id), await self._sends.clusters_contacted(one.campaign_id))
            for one in await self._campaigns.page(after=after, limit=limit)
        ]

    async def sends(self, campaign_id: str, *, state: str | None, after: str | None, limit: int) -> list[SendView]:
        """A campaign's sends. Raises NotFound."""
        if await self._campaigns.find(campaign_id) is None:
            raise NotFound("campaign")
        return [SendView.of(one) for one in await self._sends.page(campaign_id, state=state, after=after, limit=limit)]

    async def settle(self, tx: Transaction, send_id: str, answer: Settlement, by: str) -> SendView:
        """Move a send in doubt on, by the decision of a person. Raises NotFound or WrongState."""
        send = await self._sends.find(send_id, tx.session)
        if send is None:
            raise NotFound("send")
        now = self._clock.now()
        state = SendState.SENT if answer.outcome == "delivered" else SendState.QUEUED
        settlement = {**answer.model_dump(), "settled_by": by, "settled_at": now}
        settled = await self._sends.settle(send_id, state, settlement, now, tx.session)
        if settled is None:
            raise WrongState(f"This send is {send.state}; only one in doubt can be settled.")
        return SendView.of(settled)


def _view(campaign: Campaign, counts: dict[str, int], contacted: int) -> CampaignView:
    by_state = {state.value: counts.get(state, 0) for state in SendState}
    return CampaignView.model_validate(
        {
            **campaign.model_dump(exclude={"created_by"}),
            "counts": CampaignCounts(snapshot=sum(by_state.values()), **by_state),
            "clusters_contacted": contacted,
        }
    )
