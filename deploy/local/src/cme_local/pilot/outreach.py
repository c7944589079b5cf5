"""The cluster directory, consents, the campaign, what the contacts did, touchpoints and labels."""

import csv
import io
import re
from typing import Any
from urllib.parse import urljoin

import httpx

from cme_local.pilot.client import PilotFailed, for_each, until
from cme_local.pilot.clusters import Directory, draw_directory
from cme_local.pilot.clusters.directory import TOUCHPOINT_COLUMNS
from cme_local.pilot.clusters.truth import Contact
from cme_local.pilot.year import Year
from cme_local.pilot.year_facts import Label, Touchpoint

BASE = "/outreach/v1"
_CONTACT_COLUMNS = tuple(Contact.__dataclass_fields__)
_TAKE_ALL = 2000


async def reach_out(year: Year) -> None:
    """Everything that makes European clusters aware, in the order in which an officer does it."""
    facts = year.facts.outreach
    directory = draw_directory(facts.directory.seed, facts.directory.organisations)
    year.progress.stage("Directory and consents", 6)
    cluster_of = await _import_directory(year, directory)
    await _decide_reviews(year, directory, cluster_of)
    year.progress.step()
    suppression = {"addresses": directory.suppressed, "reason": facts.suppression_reason}
    await year.officer.put(f"{BASE}/suppressions", suppression)
    year.progress.step()
    await _record_consents(year, directory)
    year.progress.step()
    await _import_touchpoints(year, directory)
    year.progress.step()


async def _import_directory(year: Year, directory: Directory) -> dict[str, str]:
    """The dirty list, first as a dry run. The cluster of each row that has one, by the row's external id."""
    facts = year.facts.outreach
    query = {"source": facts.source, "obtained_from": facts.obtained_from}
    text = directory.upload()
    tried = await year.officer.upload(f"{BASE}/imports", text, "import:dry", dry_run="true", **query)
    year.progress.step()
    done = await year.officer.upload(f"{BASE}/imports", text, "import", dry_run="false", **query)
    if tried["counts"] != done["counts"]:
        raise PilotFailed(f"The import did {done['counts']} and had announced {tried['counts']}")
    year.progress.step()
    rows = await year.officer.get(f"{BASE}/imports/{done['import_id']}/rows", limit=5000)
    return {row["external_id"]: row["cluster_id"] for row in rows["items"] if row["cluster_id"]}


async def _decide_reviews(year: Year, directory: Directory, cluster_of: dict[str, str]) -> None:
    """A person who knows the truth answers; ambiguous dates stay open, because nobody knows."""
    rows = {row.cells["external_id"]: row for row in directory.rows}
    truth = {organisation.org_id: organisation for organisation in directory.organisations}
    addresses: dict[str, str] = {}
    for contact in directory.contacts:
        addresses.setdefault(contact.org_id, contact.email)
    clusters_of_org: dict[str, set[str]] = {}
    for row in directory.rows:
        if row.expected != "review" and (known := cluster_of.get(row.cells["external_id"])):
            clusters_of_org.setdefault(row.org_id, set()).add(known)

    def answer(review: Any) -> dict[str, str] | None:
        org_id = rows[review["external_id"]].org_id
        if review["kind"] == "identity":
            same = review["cluster_id"] in clusters_of_org.get(org_id, set())
            return {"decision": "same" if same else "different", "note": "Asked the partner who sent the list"}
        known = {"nuts2": truth[org_id].nuts2, "contact_email": addresses[org_id]}.get(review["field"])
        if known is None:
            return None
        return {"decision": "same", "value": known, "note": "Looked up on the cluster's website"}

    async def decide(review: Any) -> None:
        body = answer(review)
        if body is not None:
            act = f"review:{review['external_id']}:{review['kind']}:{review['field']}"
            await year.officer.post(f"{BASE}/reviews/{review['review_id']}/decision", body, act)

    # One person decides one after another.
    for review in await year.officer.listed(f"{BASE}/reviews", state="open"):
        await decide(review)


async def _record_consents(year: Year, directory: Directory) -> None:
    """The truth's legal bases as they stand; then the partners asked where nobody at a cluster had consented."""
    facts = year.facts.outreach
    imported = await year.officer.upload(
        f"{BASE}/contacts/import",
        _with_external_ids(directory, _CONTACT_COLUMNS, [vars(contact) for contact in directory.contacts]),
        "contacts",
        purpose=facts.consent.purpose,
        source=facts.source,
        obtained_from=facts.obtained_from,
    )
    contact_ids = {row["external_id"]: row["contact_id"] for row in imported["rows"] if row["contact_id"]}

    async def record(contact: Contact) -> None:
        body = {
            "purpose": facts.consent.purpose,
            "state": "given",
            # The text exists in the programme's languages.
            "language": contact.lang if contact.lang in facts.campaign.body else "en",
            "text_version": facts.consent.text_version,
            "method": "double_opt_in",
            "given_at": facts.consent.asked_on,
            "proof": f"Confirmation form {facts.consent.text_version}, {contact.contact_id}",
        }
        path = f"{BASE}/contacts/{contact_ids[contact.contact_id]}/consents"
        await year.officer.post(path, body, f"consent:{contact.contact_id}")

    asked = [contact for contact in _asked(directory) if contact.contact_id in contact_ids]
    said_yes = [contact for number, contact in enumerate(asked, start=1) if number % facts.consent.refused_every]
    await for_each(said_yes, record)


def _asked(directory: Directory) -> list[Contact]:
    """One contact of each cluster where none has consented, withdrawn or been suppressed."""
    suppressed = set(directory.suppressed)
    by_organisation: dict[str, list[Contact]] = {}
    for contact in directory.contacts:
        by_organisation.setdefault(contact.org_id, []).append(contact)
    asked = []
    for contacts in by_organisation.values():
        free = [contact for contact in contacts if not contact.withdrawn_ts and contact.email not in suppressed]
        if free and not any(contact.basis == "consent_doi" for contact in free):
            asked.append(free[0])
    return asked


def _with_external_ids(directory: Directory, columns: tuple[str, ...], records: list[dict[str, Any]]) -> str:
    """A CSV in which organisations go by the id of their first row in the import."""
    external_ids: dict[str, str] = {"": ""}
    for row in directory.rows:
        external_ids.setdefault(row.org_id, row.cells["external_id"])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(record | {"org_id": external_ids[record["org_id"]]} for record in records)
    return text.getvalue()


async def _import_touchpoints(year: Year, directory: Directory) -> None:
    text = _with_external_ids(directory, TOUCHPOINT_COLUMNS, directory.touchpoints)
    await year.officer.upload(f"{BASE}/touchpoints/import", text, "touchpoints")


async def campaign(year: Year) -> None:
    """Send the campaign, let the contacts act, and note meetings and labels."""
    facts = year.facts.outreach
    year.progress.stage("Campaign, answers, labels", 5 + len(facts.touchpoints) + len(facts.labels))
    body = facts.campaign.model_dump() | {"audience": {}}
    made = await year.officer.post(f"{BASE}/campaigns", body, "campaign")
    year.campaign_id = made["campaign_id"]
    path = f"{BASE}/campaigns/{year.campaign_id}"
    await year.officer.post(f"{path}/start", {}, "campaign:start")
    year.progress.step()
    await until(lambda: _settled(year, path), lambda done: done, "the campaign to finish with nothing in doubt")
    year.progress.step()
    mails = await _mails(year)
    year.progress.step()
    await _act(year, mails)
    year.progress.step()
    clusters = await _clusters_of_applicants(year)
    year.progress.step()
    await for_each(facts.touchpoints, lambda fact: _meeting(year, fact, clusters[fact.cluster]))
    # One after another: a silver label asks for the bronze before it.
    for label in facts.labels:
        await _label(year, label, clusters[label.cluster])


async def _settled(year: Year, path: str) -> bool:
    """Whether the campaign is finished; what a crash left in doubt is looked up in the mailbox and settled."""
    state = await year.officer.get(path)
    if state["counts"]["in_doubt"]:
        for send in await year.officer.listed(f"{path}/sends", state="in_doubt"):
            found = await _messages(year, message_id=send["message_id"])
            body = {
                "outcome": "delivered" if found else "not_delivered",
                "evidence": f"{len(found)} in the mailbox with Message-ID {send['message_id']}",
            }
            await year.officer.post(f"{BASE}/sends/{send['send_id']}/settlement", body, f"settlement:{send['send_id']}")
    return bool(state["state"] == "finished")


async def _messages(year: Year, **query: str | int) -> list[Any]:
    url = urljoin(year.urls["mail"], "/api/messages")
    return list((await year.client.send("GET", url, params=query)).json()["items"])


async def _mails(year: Year) -> list[Any]:
    """One mail of the campaign for each cluster's domain, in a stable order: one contact answers for the cluster."""
    mails = [mail for mail in await _messages(year, limit=_TAKE_ALL) if _interest_link(year, mail)]
    first: dict[str, Any] = {}
    for mail in sorted(mails, key=_recipient):
        first.setdefault(_recipient(mail).partition("@")[2], mail)
    return list(first.values())


def _recipient(mail: Any) -> str:
    return str(mail["envelope"]["to"][0])


def _interest_link(year: Year, mail: Any) -> str:
    found = re.search(re.escape(year.api) + r"/outreach/interest/[\w.~-]+", mail["text"])
    return found[0] if found else ""


async def _act(year: Year, mails: list[Any]) -> None:
    """Contacts open the link in their mail and choose what they want; looking alone changes nothing."""
    facts = year.facts.outreach
    chosen = [
        (_interest_link(year, mail), facts.interests[number % len(facts.interests)])
        for number, mail in enumerate(mails, start=1)
        if number % facts.silent_every
    ]

    async def act(choice: tuple[str, str]) -> None:
        link, interest = choice
        headers = {"Accept": "text/html"}
        page = await year.client.send("GET", link, headers=headers)
        if interest not in page.text:
            raise PilotFailed(f"The page {link} does not offer {interest}")
        await year.client.send(
            "POST", link, headers=headers, data={"interest": interest}, accept=(httpx.codes.SEE_OTHER,)
        )

    await for_each(chosen, act)


async def _clusters_of_applicants(year: Year) -> dict[str, str]:
    """The directory's entries of the applicants' clusters, by the applicant's key; enrolment's events bring them."""
    wanted = {applicant.cluster: applicant.key for applicant in year.facts.applicants}

    async def find() -> dict[str, str]:
        clusters = await year.officer.listed(f"{BASE}/clusters")
        return {wanted[cluster["name"]]: cluster["cluster_id"] for cluster in clusters if cluster["name"] in wanted}

    return await until(find, lambda found: len(found) == len(wanted), "the applicants' clusters in the directory")


async def _meeting(year: Year, fact: Touchpoint, cluster_id: str) -> None:
    body = fact.model_dump(mode="json", exclude={"cluster"}) | {"cluster_id": cluster_id}
    made = await year.officer.post(f"{BASE}/touchpoints", body, f"touchpoint:{fact.cluster}")
    path = f"{BASE}/touchpoints/{made['touchpoint_id']}/confirmation"
    await year.staff["second_officer"].post(path, {}, f"confirmation:{fact.cluster}")
    year.progress.step()


async def _label(year: Year, fact: Label, cluster_id: str) -> None:
    body = fact.model_dump(mode="json", exclude={"cluster"})
    await year.officer.post(f"{BASE}/clusters/{cluster_id}/labels", body, f"label:{fact.cluster}:{fact.level}")
    year.progress.step()
