"""Computing the indicator from the evidence, every time it is asked for."""

from __future__ import annotations

from cme_kit.clock import Clock

from outreach.directory.repository import ClusterRepository
from outreach.indicators import domain
from outreach.indicators.domain import Awareness, Fact
from outreach.indicators.schemas import AwareCluster, ClustersAware
from outreach.sending.repository import SendRepository
from outreach.touchpoints.domain import Tier
from outreach.touchpoints.repository import TouchpointRepository


class Indicators:
    """Figures that lead to their records."""

    def __init__(
        self,
        touchpoints: TouchpointRepository,
        sends: SendRepository,
        clusters: ClusterRepository,
        clock: Clock,
        root_path: str = "",
    ) -> None:
        """`root_path` is where the API is served, for the links in its answers."""
        self._touchpoints = touchpoints
        self._sends = sends
        self._clusters = clusters
        self._clock = clock
        self._root_path = root_path

    async def clusters_aware(self) -> ClustersAware:
        """The indicator as it is now."""
        acts = [Fact(*one) for one in await self._touchpoints.counted()]
        mails = [
            Fact(cluster_id, Tier.INFORMED, at.date(), send_id)
            for cluster_id, send_id, at in await self._sends.first_sent()
        ]
        found = domain.standings([*acts, *mails])
        aware = [standing for standing in found.values() if domain.reached(standing, domain.COUNTS_FROM)]
        names = await self._clusters.names([standing.cluster_id for standing in aware])
        return ClustersAware(
            indicator=domain.INDICATOR,
            version=domain.VERSION,
            definition=domain.DEFINITION,
            target=domain.TARGET,
            value=len(aware),
            by_tier=domain.by_tier(found.values()),
            by_country=domain.by_country(names[standing.cluster_id][1] for standing in aware),
            as_of=self._clock.now(),
            evidence_url=f"{self._root_path}/outreach/v1/indicators/{domain.INDICATOR}/evidence",
        )

    async def evidence(self, after: str | None, limit: int) -> list[AwareCluster]:
        """The organisations that count, by id, one more than `limit` when there are."""
        found = domain.standings(Fact(*one) for one in await self._touchpoints.counted())
        aware: list[Awareness] = sorted(
            (
                one
                for one in found.values()
                if domain.reached(one, domain.COUNTS_FROM) and one.cluster_id > (after or "")
            ),
            key=lambda one: one.cluster_id,
        )[: limit + 1]
        names = await self._clusters.names([one.cluster_id for one in aware])
        return [
            AwareCluster(
                cluster_id=one.cluster_id,
                name=names[one.cluster_id][0],
                country=names[one.cluster_id][1],
                tier=one.tier,
                first_on=one.first_on,
                touchpoint_ids=list(one.touchpoint_ids),
            )
            for one in aware
        ]
