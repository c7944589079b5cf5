"""Courses as schema.org describes them (Course, CourseInstance), for search engines and harvesters."""

from __future__ import annotations

import json
from typing import Any

from curriculum.catalogue.domain import Addresses, Course
from curriculum.offerings.domain import Mode, Offering, Session
from curriculum.programmes.domain import Outcome

CONTEXT = "https://schema.org"
EQF = "http://data.europa.eu/snb/eqf/"
PROVIDER = "Cluster Manager Education"


def text_in(texts: dict[str, str], language: str) -> str:
    """A text in a language, else in English."""
    return texts.get(language) or texts["en"]


def course_document(course: Course, addresses: Addresses, language: str) -> dict[str, Any]:
    """The JSON-LD document of a course, its texts in one language."""
    return {"@context": CONTEXT, **_course(course, addresses, language)}


def list_document(courses: list[Course], addresses: Addresses, language: str) -> dict[str, Any]:
    """The JSON-LD document of a list of courses."""
    items = [
        {"@type": "ListItem", "position": position, "item": _course(course, addresses, language)}
        for position, course in enumerate(courses, start=1)
    ]
    return {
        "@context": CONTEXT,
        "@type": "ItemList",
        "@id": f"{addresses.home}/courses",
        "numberOfItems": len(items),
        "itemListElement": items,
    }


def script_text(document: dict[str, Any]) -> str:
    """The document as the content of a `script` element: nothing in it can end the element (HTML section 4.12.1.3)."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _course(course: Course, addresses: Addresses, language: str) -> dict[str, Any]:
    url = addresses.course(course.slug)
    hosts = dict.fromkeys(unit.host for unit in course.units)
    return {
        "@type": "Course",
        "@id": url,
        "url": url,
        "name": text_in(course.title, language),
        "description": text_in(course.summary, language),
        "courseCode": course.slug,
        "inLanguage": course.language,
        "version": str(course.version),
        "datePublished": course.published_at.date().isoformat(),
        "dateModified": course.updated_at.isoformat(),
        "provider": {"@type": "Organization", "name": PROVIDER, "url": addresses.home},
        "contributor": [{"@type": "Organization", "name": host} for host in hosts],
        "educationalLevel": {
            "@type": "DefinedTerm",
            "@id": f"{EQF}{course.eqf_level}",
            "name": f"EQF level {course.eqf_level}",
        },
        "numberOfCredits": {"@type": "QuantitativeValue", "value": course.points, "unitText": "ECVET points"},
        "educationalCredentialAwarded": {
            "@type": "EducationalOccupationalCredential",
            "name": text_in(course.title, language),
            "credentialCategory": "badge",
        },
        "teaches": [_outcome(outcome, language) for unit in course.units for outcome in unit.outcomes],
        "about": [{"@type": "DefinedTerm", "@id": uri, "name": label} for uri, label in course.skills.items()],
        "syllabusSections": [
            {
                "@type": "Syllabus",
                "name": text_in(unit.title, language),
                "description": text_in(unit.assessment_method, language),
                "identifier": unit.unit_id,
            }
            for unit in course.units
        ],
        "hasCourseInstance": [_instance(offering, addresses, language) for offering in course.offerings],
    }


def _outcome(outcome: Outcome, language: str) -> dict[str, Any]:
    return {
        "@type": "DefinedTerm",
        "termCode": outcome.code,
        "identifier": outcome.outcome_id,
        "name": text_in(outcome.statement, language),
    }


def _instance(offering: Offering, addresses: Addresses, language: str) -> dict[str, Any]:
    modes = {session.mode for session in offering.sessions}
    instance: dict[str, Any] = {
        "@type": "CourseInstance",
        "@id": addresses.offering(offering.offering_id),
        "name": text_in(offering.title, language),
        "startDate": offering.starts_on.isoformat(),
        "endDate": offering.ends_on.isoformat(),
        "inLanguage": offering.language,
        "maximumAttendeeCapacity": offering.seats,
        "eventStatus": f"{CONTEXT}/EventScheduled",
        "subEvent": [_session(session, language) for session in offering.sessions],
    }
    if modes:
        instance["courseMode"] = "blended" if len(modes) > 1 else modes.pop().value
    places = {(place.name, place.city): _place(session) for session in offering.sessions if (place := session.place)}
    if places:
        instance["location"] = list(places.values())
    return instance


def _session(session: Session, language: str) -> dict[str, Any]:
    online = session.mode is Mode.ONLINE
    event: dict[str, Any] = {
        "@type": "EducationEvent",
        "name": text_in(session.title, language),
        "startDate": session.starts_at.isoformat(),
        "endDate": session.ends_at.isoformat(),
        "eventAttendanceMode": f"{CONTEXT}/{'Online' if online else 'Offline'}EventAttendanceMode",
    }
    if session.place:
        event["location"] = _place(session)
    elif session.url:
        event["location"] = {"@type": "VirtualLocation", "url": session.url}
    return event


def _place(session: Session) -> dict[str, Any]:
    place = session.place
    assert place is not None  # asked only for sessions on site
    address = {"@type": "PostalAddress", "addressLocality": place.city, "addressCountry": place.country}
    return {"@type": "Place", "name": place.name, "address": address}
