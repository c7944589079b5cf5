"""Learn which programme versions were published."""

from cme_contracts.curriculum import ProgrammePublished
from cme_kit.outbox import Transaction

from enrolment.programmes.repository import ProgrammeRepository, ProgrammeVersion


class Programmes:
    """Keeps the read model of published programme versions."""

    def __init__(self, programmes: ProgrammeRepository) -> None:
        self._programmes = programmes

    async def learn(self, tx: Transaction, event: ProgrammePublished) -> None:
        """Remember a published version and its units."""
        programme = ProgrammeVersion(
            programme_id=event.programme_id,
            version=event.version,
            title=event.title,
            content_hash=event.content_hash,
            unit_ids=[unit.unit_id for unit in event.units],
        )
        await self._programmes.keep(programme, tx.session)
