"""The event platform's page: what services say, what they cannot say, and who says nothing."""

from cme_local.ops import bus_figures
from cme_local.ops.bus_figures import Bus

from .operators import operator

SCRAPE = """\
# TYPE cme_consumer_lag gauge
cme_consumer_lag{stream="CME_ENROLMENT"} 7.0
# TYPE cme_consumer_redelivered gauge
cme_consumer_redelivered{stream="CME_ENROLMENT"} 2.0
# TYPE cme_event_retries_total counter
cme_event_retries_total{stream="CME_ENROLMENT"} 5.0
# TYPE cme_events_applied_total counter
cme_events_applied_total{stream="CME_ENROLMENT"} 1234.0
# TYPE cme_outbox_pending gauge
cme_outbox_pending 3.0
# TYPE cme_outbox_oldest_seconds gauge
cme_outbox_oldest_seconds 12.5
# TYPE cme_relay_leader gauge
cme_relay_leader 1.0
# TYPE cme_dead_letters gauge
cme_dead_letters 4.0
# TYPE cme_engine_up gauge
cme_engine_up{engine="broker"} 1.0
cme_engine_up{engine="database"} 1.0
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_count{http_route="/x"} 3.0
"""
AWAY = SCRAPE.replace('ENROLMENT"} 7.0', 'ENROLMENT"} NaN').replace(
    'cme_engine_up{engine="broker"} 1.0', 'cme_engine_up{engine="broker"} 0.0'
)


def test_a_scrape_is_read() -> None:
    found = bus_figures.read("outreach", SCRAPE)

    assert (found.pending, found.oldest_seconds, found.leads, found.dead_letters) == (3, 12.5, True, 4)
    assert found.engines_away == []
    (consumer,) = found.consumers
    assert (consumer.stream, consumer.lag, consumer.redelivered) == ("CME_ENROLMENT", 7, 2)
    assert (consumer.retries, consumer.applied) == (5, 1234)


def test_what_an_engine_did_not_say_is_not_nought() -> None:
    found = bus_figures.read("outreach", AWAY)

    assert found.consumers[0].lag is None
    assert found.engines_away == ["broker"]
    assert bus_figures.total([None, None]) is None
    assert bus_figures.total([None, 3]) == 3


async def test_the_page_names_who_does_not_answer() -> None:
    bus = Bus(lambda service: None if service == "credentials" else SCRAPE)

    page = (await operator(bus=bus).get("/events")).text

    assert "<strong>credentials</strong> does not answer" in page
    assert "Behind" in page
    assert 'href="/dead-letters?service=outreach">4<' in page


async def test_the_page_says_when_nobody_answers() -> None:
    page = await operator().get("/events")

    assert page.status_code == 200
    assert "No service answers" in page.text


async def test_pages_that_look_at_the_same_moment_ask_once() -> None:
    asked: list[str] = []
    bus = Bus(asked.append, clock=lambda: 0.0)

    await bus.figures()
    await bus.figures()

    assert len(asked) == 5
