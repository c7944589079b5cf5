"""Courses in the words of schema.org."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from curriculum.catalogue.domain import Addresses, Course, with_offering
from curriculum.linked_data.domain import course_document, list_document, script_text
from curriculum.offerings.domain import Offering

ADDRESSES = Addresses("https://cme.example")


@pytest.fixture
def course(make_course: Callable[..., Course], make_offering: Callable[..., Offering]) -> Course:
    return with_offering(make_course(), make_offering())


def test_a_course_has_what_a_harvester_needs(course: Course) -> None:
    document = course_document(course, ADDRESSES, "fi")

    assert document["@context"] == "https://schema.org"
    assert (document["@type"], document["@id"]) == ("Course", "https://cme.example/courses/cluster-manager")
    assert document["name"] == "Klusterijohtaja"
    assert document["description"] == "Lead a cluster organisation with a strategy of its own."
    assert document["provider"]["@type"] == "Organization"
    assert document["educationalLevel"]["@id"] == "http://data.europa.eu/snb/eqf/6"
    assert document["numberOfCredits"] == {"@type": "QuantitativeValue", "value": 10, "unitText": "ECVET points"}
    assert len(document["teaches"]) == 6
    assert [skill["@id"] for skill in document["about"]] == list(course.skills)


def test_each_offering_is_an_instance_with_its_dates_places_and_mode(course: Course) -> None:
    [instance] = course_document(course, ADDRESSES, "en")["hasCourseInstance"]

    assert (instance["startDate"], instance["endDate"]) == ("2026-09-08", "2027-07-05")
    assert instance["courseMode"] == "blended"
    assert instance["location"][0]["address"]["addressCountry"] == "SE"
    assert instance["maximumAttendeeCapacity"] == 20
    kinds = {event["eventAttendanceMode"].rsplit("/", 1)[1] for event in instance["subEvent"]}
    assert kinds == {"OnlineEventAttendanceMode", "OfflineEventAttendanceMode"}


def test_a_list_numbers_its_courses(course: Course) -> None:
    document = list_document([course], ADDRESSES, "en")

    assert document["numberOfItems"] == 1
    assert document["itemListElement"][0]["item"]["@type"] == "Course"


def test_no_text_can_end_the_script_element_it_is_embedded_in(make_course: Callable[..., Course]) -> None:
    hostile: dict[str, Any] = {"title": {"en": "</script><script>alert(1)</script> & <!--"}}

    text = script_text(course_document(make_course(**hostile), ADDRESSES, "en"))

    assert not set("<>&") & set(text)
    assert json.loads(text)["name"] == hostile["title"]["en"]
