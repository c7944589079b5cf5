"""A part of the platform is taken away: these fail when the comparison does not see it."""

from ..scene import Scene, experiment
from .crashes import publisher_killed
from .messages import every_message_three_times


@experiment("without-the-outbox", without="outbox")
async def without_the_outbox(scene: Scene) -> None:
    """Events are published beside the transaction while their service is killed: the loss must be seen."""
    await publisher_killed(scene)


@experiment("without-the-inbox", without="inbox")
async def without_the_inbox(scene: Scene) -> None:
    """Nobody remembers what was applied while each event comes three times: the repetition must be seen."""
    await every_message_three_times(scene)
