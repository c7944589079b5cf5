"""The truth: organisations and their contacts, as nobody ever has them in one file."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from cme_local.pilot.clusters.spelling import slug
from cme_local.pilot.clusters.vocabulary import chance, vocabulary

LABELS = ["none"] * 52 + ["bronze"] * 32 + ["silver"] * 9 + ["gold"] * 7
MEMBER_TYPES = ["companies", "companies+research", "companies+research+public", "companies+public"]
BASES = ["consent_doi", "consent_single", "soft_opt_in", "legit_interest_b2b", "none"]
_LAST_LABEL_DAY = date(2021, 11, 30)
_FIRST_CONSENT = datetime(2020, 1, 7, 8, 0, tzinfo=UTC)
_NEAR_MISS_OF = 5


@dataclass(frozen=True)
class Organisation:
    """A real-world cluster organisation."""

    org_id: str
    name: str
    name_en: str
    legal_form: str
    country: str
    nuts2: str
    sector: str
    members: int
    member_types: str
    fte: float
    label: str
    label_awarded: str
    domain: str
    host_org: str


@dataclass(frozen=True)
class Contact:
    """A person or shared mailbox of an organisation, with what may be sent to it."""

    contact_id: str
    org_id: str
    name: str
    role: str
    kind: str
    email: str
    lang: str
    phone: str
    basis: str
    basis_ts: str
    consent_text_version: str
    tracking_consent: str
    withdrawn_ts: str


def draw_organisations(dice: random.Random, count: int) -> list[Organisation]:
    """`count` organisations and a near miss: almost the name of another one, and not the same."""
    words = vocabulary()
    pool = [code for code, country in words.countries.items() for _ in range(country.weight)]
    drawn: list[Organisation] = []
    seen: set[tuple[str, str, str]] = set()
    while len(drawn) < count:
        code = dice.choice(pool)
        country = words.countries[code]
        sector = dice.choice(list(words.sectors))
        language = country.languages[0]
        place = dice.choice(country.places)
        local_sector = words.sectors[sector].get(language, words.sectors[sector]["en"]).capitalize()
        word = dice.choice(country.cluster_words)
        glued = language in ("sv", "fi", "de") and chance(dice, 0.5)
        name = f"{place} {local_sector}{word.lower()}" if glued else f"{place} {local_sector} {word}"
        if (code, place, sector) in seen:
            continue
        seen.add((code, place, sector))
        label = dice.choice(LABELS)
        awarded = _LAST_LABEL_DAY - timedelta(days=dice.randrange(30, 1200)) if label != "none" else None
        organisation = Organisation(
            members=max(4, int(dice.lognormvariate(3.9, 0.8))),
            org_id=f"org-{len(drawn) + 1:04d}",
            name=name,
            name_en=f"{place} {words.sectors[sector]['en']} Cluster",
            legal_form=dice.choice(country.legal_forms),
            country=code,
            nuts2=dice.choice(country.nuts2),
            sector=sector,
            member_types=dice.choice(MEMBER_TYPES),
            fte=dice.choice([0, 0.25, 0.5, 1, 1.5, 2, 3, 5]),
            label=label,
            label_awarded=awarded.isoformat() if awarded else "",
            domain=f"{slug(name)[:40]}.example",
            host_org="",
        )
        if drawn and chance(dice, 0.06):
            # One host behind two clusters: the same domain never makes them the same organisation.
            organisation = replace(organisation, domain=drawn[-1].domain, host_org=drawn[-1].org_id)
        drawn.append(organisation)
    original = drawn[_NEAR_MISS_OF]
    near_miss = replace(
        original,
        org_id=f"org-{count + 1:04d}",
        name=f"{original.name} Nord",
        name_en=f"{original.name_en} North",
        domain=f"nord-{original.domain}",
        host_org="",
    )
    return [*drawn, near_miss]


def draw_contacts(dice: random.Random, organisations: list[Organisation]) -> list[Contact]:
    """One to three contacts for each organisation; now and then one person of two organisations."""
    drawn: list[Contact] = []
    previous: Organisation | None = None
    for organisation in organisations:
        for position in range(dice.choice([1, 1, 2, 2, 3])):
            contact = _contact(dice, organisation, position, len(drawn) + 1)
            drawn.append(contact)
            if previous and chance(dice, 0.02):
                drawn.append(replace(contact, contact_id=f"con-{len(drawn) + 1:04d}", org_id=previous.org_id))
        previous = organisation
    return drawn


def _contact(dice: random.Random, organisation: Organisation, position: int, number: int) -> Contact:
    country = vocabulary().countries[organisation.country]
    if position == 0 and chance(dice, 0.25):
        name, email, role, kind = "", f"info@{organisation.domain}", "office", "role_mailbox"
    else:
        given, family = dice.choice(country.given_names), dice.choice(country.family_names)
        name = f"{given} {family}"
        email = f"{slug(given)}.{slug(family)}{position or ''}@{organisation.domain}"
        role = dice.choice(["cluster manager", "project manager", "communications", "director"])
        kind = "natural_person"
    basis = dice.choices(BASES, [40, 10, 8, 22, 20])[0]
    if kind == "role_mailbox" and basis.startswith("consent"):
        basis = "legit_interest_b2b"
    since = _FIRST_CONSENT + timedelta(minutes=dice.randrange(0, 900_000))
    consented = basis.startswith("consent")
    return Contact(
        contact_id=f"con-{number:04d}",
        org_id=organisation.org_id,
        name=name,
        role=role,
        kind=kind,
        email=email,
        # The arguments are drawn in this order: it decides what a seed gives.
        lang=dice.choices(country.languages, [5] + [2] * (len(country.languages) - 1))[0],
        phone=f"{country.dial} {dice.randrange(10, 99)} {dice.randrange(100000, 999999)}",
        basis=basis,
        basis_ts=since.isoformat() if basis != "none" else "",
        consent_text_version=dice.choice(["v1", "v2"]) if consented else "",
        tracking_consent="yes" if basis == "consent_doi" and chance(dice, 0.2) else "no",
        withdrawn_ts=(since + timedelta(days=90)).isoformat() if consented and chance(dice, 0.08) else "",
    )
