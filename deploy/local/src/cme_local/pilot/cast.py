"""Partners, clusters and everybody who acts: organisations first, because accounts act for them."""

from cme_local.pilot.client import for_each
from cme_local.pilot.programme_facts import Applicant, Partner, Person
from cme_local.pilot.year import Year

_PARTNER_DOMAIN = "partners.example"


async def assemble(year: Year) -> None:
    """Register partners and clusters, then make the accounts."""
    facts = year.facts
    organisations = len(facts.partners) + len(facts.applicants)
    people = len(facts.staff) + len(facts.applicants) + len(facts.starters())
    year.progress.stage("Partners, clusters and people", organisations + people)

    async def partner(partner: Partner) -> None:
        body = {"name": partner.name, "country": partner.country, "kind": "partner", "website": partner.website}
        await _organisation(year, partner.key, body)

    async def cluster(applicant: Applicant) -> None:
        body = {"name": applicant.cluster, "country": applicant.country, "kind": "cluster"}
        await _organisation(year, applicant.key, body | {"website": f"https://www.{applicant.domain}/"})

    await for_each(facts.partners, partner)
    await for_each(facts.applicants, cluster)

    async def employee(person: Person) -> None:
        organisation_id = year.organisation_ids[person.organisation]
        actor = await year.casting.person(person.key, person.name, person.language, person.role, organisation_id)
        country = next(p.country for p in facts.partners if p.key == person.organisation)
        await actor.put(
            "/enrolment/v1/people/me",
            {
                "given_name": person.given_name,
                "family_name": person.family_name,
                "email": f"{person.key.replace('_', '.')}@{_PARTNER_DOMAIN}",
                "language": person.language,
                "country": country,
            },
        )
        year.staff[person.key] = actor
        year.progress.step()

    async def applicant_account(applicant: Applicant) -> None:
        key = f"applicant-{applicant.key}"
        year.applicants[applicant.key] = await year.casting.person(
            key, applicant.name, applicant.language, "applicant", year.organisation_ids[applicant.key]
        )
        year.progress.step()

    async def home_signatory(applicant: Applicant) -> None:
        name = f"Chair of {applicant.cluster}"
        year.home_signatories[applicant.key] = await year.casting.person(
            f"home-{applicant.key}", name, applicant.language, "signatory", year.organisation_ids[applicant.key]
        )
        year.progress.step()

    await for_each(facts.staff, employee)
    await for_each(facts.applicants, applicant_account)
    await for_each(facts.starters(), home_signatory)


async def _organisation(year: Year, key: str, body: dict[str, str]) -> None:
    answer = await year.coordinator.post("/enrolment/v1/organisations", body, f"organisation:{key}")
    year.organisation_ids[key] = answer["organisation_id"]
    year.progress.step()
