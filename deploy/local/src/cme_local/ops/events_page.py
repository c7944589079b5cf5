"""The event platform for people: how far consumers are, what waits in outboxes, who publishes."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cme_local.ops import bus_figures, waterfall
from cme_local.ops.bus_figures import Bus
from cme_local.ops.pages import page


def routes(bus: Bus) -> list[Route]:
    """The page over what the services answer."""

    async def events_page(_: Request) -> Response:
        found = await bus.figures()
        return page(
            "events.html",
            here="Events",
            services=found.services,
            consumers=found.consumers,
            silent=found.silent,
            lag=bus_figures.total(consumer.lag for consumer in found.consumers),
            redelivered=bus_figures.total(consumer.redelivered for consumer in found.consumers),
            retries=bus_figures.total(consumer.retries for consumer in found.consumers),
            pending=bus_figures.total(service.pending for service in found.services),
            dead=bus_figures.total(service.dead_letters for service in found.services),
            duration=waterfall.duration,
        )

    return [Route("/events", events_page)]
