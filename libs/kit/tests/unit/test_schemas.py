from cme_kit.schemas import Moment
from pydantic import TypeAdapter


def test_a_moment_is_utc_to_the_millisecond_as_it_will_be_stored() -> None:
    moment = TypeAdapter(Moment).validate_python("2026-11-23T17:42:07.123456+02:00")

    assert moment.isoformat() == "2026-11-23T15:42:07.123000+00:00"
