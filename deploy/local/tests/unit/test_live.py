"""News for pages that follow: told when there are some, to few, and not while nobody listens."""

from cme_local.ops import live
from cme_local.ops.live import Live

from .operators import operator


class Revision:
    now = 1

    def __call__(self) -> int:
        return self.now


async def test_a_listener_is_told_of_news_once() -> None:
    revision = Revision()
    news = Live({"traces": revision}, look_every_s=0).listen("traces")
    assert news is not None

    first = await anext(news)
    revision.now += 5
    second = await anext(news)
    third = await anext(news)

    assert first.startswith(b"retry:")
    assert second == b"data: news\n\n"
    assert third == b": nothing new\n\n"


async def test_listeners_are_few_and_make_room_when_they_leave() -> None:
    shared = Live({"traces": Revision()}, look_every_s=0)
    streams = [stream for _ in range(live.MOST_LISTENERS) if (stream := shared.listen("traces"))]
    for stream in streams:
        await anext(stream)

    refused = shared.listen("traces")
    await streams[0].aclose()  # type: ignore[attr-defined]

    assert refused is None
    assert shared.listeners == live.MOST_LISTENERS - 1
    assert shared.listen("traces") is not None


async def test_a_stopping_server_ends_every_stream() -> None:
    shared = Live({"traces": Revision()}, look_every_s=60)
    news = shared.listen("traces")
    assert news is not None
    await anext(news)

    shared.close()

    assert [told async for told in news] == []
    assert shared.listeners == 0


async def test_a_stream_ends_in_time_so_that_its_session_is_asked_for_again() -> None:
    times = iter([0.0, 1.0, live.LONGEST_S])
    news = Live({"traces": Revision()}, look_every_s=0, clock=lambda: next(times)).listen("traces")
    assert news is not None

    assert len([told async for told in news]) == 1


async def test_an_unknown_topic_and_a_stranger_get_nothing() -> None:
    assert (await operator().get("/live/everything")).status_code == 404
    assert (await operator(headers={}).get("/live/traces")).status_code == 401
