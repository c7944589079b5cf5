from cme_cli.sse import ServerEvent, events


def lines(text: str) -> list[bytes]:
    return [line.encode() for line in text.splitlines(keepends=True)]


def test_a_stream_is_read_event_by_event() -> None:
    found = list(events(lines('event: ready\ndata: {}\n\nevent: delivery\nid: 7\ndata: {"a":\ndata: 1}\n\n')))

    assert found == [ServerEvent("ready", "{}", ""), ServerEvent("delivery", '{"a":\n1}', "7")]


def test_signs_of_life_are_no_events_and_ids_stay() -> None:
    assert list(events(lines(": listening\n\nid: 1\ndata: a\n\n: x\n\ndata: b\n\n"))) == [
        ServerEvent("message", "a", "1"),
        ServerEvent("message", "b", "1"),
    ]


def test_what_breaks_off_is_no_event() -> None:
    assert list(events(lines("data: whole\r\n\r\nevent: delivery\ndata: half"), "before")) == [
        ServerEvent("message", "whole", "before")
    ]
