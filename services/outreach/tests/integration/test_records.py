import pytest
from cme_contracts.enrolment import ApplicationSubmitted, OrganisationRegistered, PersonErased
from cme_contracts.outreach import ClusterMerged, LabelAwarded
from cme_kit.testing import eventually, person_id
from outreach.app import ROUTERS

HEADER = b"external_id,name,name_en,country,nuts2,website,contact_name,contact_email,phone,sector,members,label,label_awarded\n"


async def test_a_merge_moves_everything_and_counts_the_organisation_once(outreach, bus) -> None:
    kept, other = await outreach.cluster(), await outreach.cluster()
    for cluster, day in ((kept, "2026-03-01"), (other, "2026-02-01")):
        await outreach.contact(cluster["cluster_id"], "same@person.example")
        body = {
            "cluster_id": cluster["cluster_id"],
            "tier": "engaged",
            "kind": "reply_received",
            "occurred_on": day,
            "evidence": {"kind": "reply", "reference": "mail 1"},
        }
        await outreach.post("/touchpoints", body)
    [contact] = (await outreach.get(f"/clusters/{other['cluster_id']}/contacts"))["items"]
    await outreach.consent(contact["contact_id"], state="withdrawn")
    assert (await outreach.get("/indicators/clusters-aware"))["value"] == 2

    body = {"other": other["cluster_id"], "reason": "same board"}
    merged = await outreach.post(f"/clusters/{kept['cluster_id']}/merge", body, expect=200)

    assert [one["value"] for one in merged["fields"]["name"]["others"]] == [other["name"]]
    assert (await outreach.get(f"/clusters/{other['cluster_id']}"))["merged_into"] == kept["cluster_id"]
    assert (await outreach.get("/indicators/clusters-aware"))["value"] == 1
    [united] = (await outreach.get(f"/clusters/{kept['cluster_id']}/contacts"))["items"]
    assert united["consents"]["event_invite"]["state"] == "withdrawn"
    again = await outreach.post(f"/clusters/{kept['cluster_id']}/merge", body, expect=409)
    assert again["code"] == "cannot_merge"
    await eventually(lambda: bus.published(ClusterMerged))


async def test_an_organisation_that_is_there_already_is_refused(outreach) -> None:
    cluster = await outreach.cluster(name="Harbour Food Cluster", website="https://harbour.example")
    body = {"name": "HARBOUR FOOD CLUSTER AB", "country": "SE", "website": "harbour.example", "source": "x"}

    refused = await outreach.post("/clusters", body, expect=409)

    assert refused["code"] == "already_in_directory"
    assert cluster["cluster_id"] in refused["detail"]


async def test_a_correction_keeps_the_former_value_and_needs_the_revision(outreach) -> None:
    cluster = await outreach.cluster()
    path, body = (
        f"/clusters/{cluster['cluster_id']}",
        {"sector": "ict", "name": "New name here", "source": "phone call"},
    )

    await outreach.call("PATCH", path, json=body, expect=428)
    changed = await outreach.call("PATCH", path, json=body, expect=200, headers={"If-Match": '"1"'})
    await outreach.call("PATCH", path, json=body, expect=412, headers={"If-Match": '"1"'})

    assert changed["fields"]["name"]["others"][0]["value"] == cluster["name"]
    assert changed["fields"]["sector"]["source"] == "phone call"
    wrong = {"nuts2": "FI1B", "source": "x"}
    refused = await outreach.call("PATCH", path, json=wrong, expect=422, headers={"If-Match": '"2"'})
    assert refused["code"] == "nuts2_of_another_country"


async def test_questions_of_identity_are_carried_out_as_decided(outreach) -> None:
    first = b"x1,Harbour Food,,SE,SE22,harbour.example,Ada,ada@harbour.example,,,,,\n"
    await outreach.upload("/imports?dry_run=false", HEADER + first)
    doubtful = [
        b"x2,Harbour Food,,SE,,,Bo,bo@council.example,,,,,\n",
        b"x3,Harbour Food AB,,SE,,,Cy,cy@region.example,,,,,\n",
        b"x4,Harbour food,,SE,,,Di,di@else.example,,,,,\n",
    ]
    made = await outreach.upload("/imports?dry_run=false", HEADER + b"".join(doubtful))
    assert made["counts"] == {"create": 0, "merge": 0, "review": 3, "reject": 0}
    same, different, reject = (await outreach.get("/reviews?state=open"))["items"]

    results = []
    for review, decision in ((same, "same"), (different, "different"), (reject, "reject")):
        body = {"decision": decision, "note": "asked them"}
        results.append(await outreach.post(f"/reviews/{review['review_id']}/decision", body, expect=200))

    assert results[0]["result_cluster_id"] == same["cluster_id"]
    contacts = (await outreach.get(f"/clusters/{same['cluster_id']}/contacts"))["items"]
    assert [contact["address"] for contact in contacts] == ["ada@harbour.example", "bo@council.example"]
    entered = await outreach.get(f"/clusters/{results[1]['result_cluster_id']}")
    assert entered["external_ids"] == ["x3"]
    assert results[2]["result_cluster_id"] is None
    assert len((await outreach.get("/clusters"))["items"]) == 2
    assert all(one["proposal"] is None for one in (await outreach.get("/reviews?state=decided"))["items"])
    body = {"decision": "same", "note": "again"}
    assert (await outreach.post(f"/reviews/{same['review_id']}/decision", body, expect=409))[
        "code"
    ] == "already_decided"


async def test_questions_of_a_value_take_the_right_value(outreach) -> None:
    row = b"x1,Harbour Food,,SE,FI1B,harbour.example,Ada,\xd0\xb0da@harbour.example,,,,bronze,03/04/2021\n"
    await outreach.upload("/imports?dry_run=false", HEADER + row)
    by_field = {one["field"]: one for one in (await outreach.get("/reviews?state=open"))["items"]}
    right = {"nuts2": "SE22", "label_awarded": "2021-04-03", "contact_email": "ada@harbour.example"}
    path = f"/reviews/{by_field['nuts2']['review_id']}/decision"
    refused = await outreach.post(path, {"decision": "same", "note": "as written"}, expect=422)
    assert refused["code"] == "value_does_not_fit"

    for field, value in right.items():
        body = {"decision": "same", "note": "asked them", "value": value}
        await outreach.post(f"/reviews/{by_field[field]['review_id']}/decision", body, expect=200)

    cluster_id = by_field["nuts2"]["cluster_id"]
    fields = (await outreach.get(f"/clusters/{cluster_id}"))["fields"]
    assert (fields["nuts2"]["value"], fields["label_awarded"]["value"]) == ("SE22", "2021-04-03")
    [contact] = (await outreach.get(f"/clusters/{cluster_id}/contacts"))["items"]
    assert contact["address"] == "ada@harbour.example"


async def test_an_import_never_brings_a_suppressed_address_back(outreach) -> None:
    body = {"addresses": ["ada@harbour.example", "not an address"], "reason": "asked"}
    counted = await outreach.call("PUT", "/suppressions", json=body, expect=200)
    assert (counted["taken"], counted["unusable"], counted["total"]) == (1, 1, 1)
    row = b"x1,Harbour Food,,FI,FI1B,harbour.example,Ada,ada@harbour.example,,,,,\n"

    await outreach.upload("/imports?dry_run=false", HEADER + row)
    listed = b"org_id,email,basis,basis_ts\nx1,ada@harbour.example,consent_doi,2030-01-01T00:00:00+00:00\n"
    await outreach.upload("/contacts/import?purpose=newsletter", listed)

    [cluster] = (await outreach.get("/clusters"))["items"]
    [contact] = (await outreach.get(f"/clusters/{cluster['cluster_id']}/contacts"))["items"]
    assert contact["permissions"]["newsletter"] == {"allowed": False, "rule_id": "suppressed.all"}
    stored = str(await outreach.service.app.state.platform.database.collection("suppressions").find({}))
    assert "harbour" not in stored


async def test_what_a_person_claims_counts_when_another_confirms(outreach) -> None:
    cluster = await outreach.cluster()
    body = {
        "cluster_id": cluster["cluster_id"],
        "tier": "took_part",
        "kind": "meeting",
        "occurred_on": "2026-03-01",
        "evidence": {"kind": "minutes", "reference": "sha256:ab"},
    }
    touchpoint = await outreach.post("/touchpoints", body)
    path = f"/touchpoints/{touchpoint['touchpoint_id']}/confirmation"
    assert touchpoint["state"] == "awaiting_confirmation"
    assert (await outreach.get("/indicators/clusters-aware"))["value"] == 0

    own = await outreach.post(path, {}, expect=403)
    confirmed = await outreach.post(path, {}, expect=200, headers=outreach.another_officer())
    again = await outreach.post(path, {}, expect=409, headers=outreach.another_officer())

    assert (own["code"], confirmed["state"], again["code"]) == ("separation_of_duties", "counted", "wrong_state")
    assert (await outreach.get("/indicators/clusters-aware"))["by_tier"]["took_part"] == 1
    assert (await outreach.post("/touchpoints", body, expect=409))["code"] == "already_recorded"
    opened = {**body, "kind": "mail_opened"}
    assert (await outreach.post("/touchpoints", opened, expect=422))["code"] == "never_counts"


async def test_an_application_commits_the_cluster_of_its_organisation_once(outreach, bus) -> None:
    cluster = await outreach.cluster(name="Harbour Food Cluster", country="SE")
    person = person_id()
    application = ApplicationSubmitted(
        application_id="app_1", call_id="call_1", person_id=person, organisation_id="org_1", country="SE"
    )
    # The application arrives first, and twice; a partner's application wins no cluster.
    first = await bus.publish("app_1", application)
    await bus.publish("app_1", application, event_id=str(first.id))
    registered = {"name": "HARBOUR FOOD CLUSTER", "country": "SE"}
    await bus.publish("org_1", OrganisationRegistered(organisation_id="org_1", kind="cluster", **registered))
    await bus.publish("org_2", OrganisationRegistered(organisation_id="org_2", kind="partner", name="P", country="LT"))
    await bus.publish("app_2", application.model_copy(update={"application_id": "app_2", "organisation_id": "org_2"}))

    async def committed() -> bool:
        return (await outreach.get("/indicators/clusters-aware"))["by_tier"]["committed"] == 1

    await eventually(committed, 20)
    [touchpoint] = (await outreach.get(f"/touchpoints?cluster_id={cluster['cluster_id']}"))["items"]
    assert touchpoint["evidence"] == {"kind": "application", "reference": "app_1", "note": None}
    assert (await outreach.get(f"/clusters/{cluster['cluster_id']}"))["organisation_ids"] == ["org_1"]

    await outreach.contact(cluster["cluster_id"], "ada@harbour.example", person_id=person)
    await bus.publish(person, PersonErased(person_id=person))

    async def forgotten() -> bool:
        rows = await outreach.service.app.state.platform.database.collection("touchpoints").find({"person_id": person})
        contacts = (await outreach.get(f"/clusters/{cluster['cluster_id']}/contacts"))["items"]
        return rows == [] and contacts == []

    await eventually(forgotten)
    assert await committed()


async def test_labels_have_a_validity_and_a_renewal_window(outreach, bus) -> None:
    cluster = await outreach.cluster()
    path = f"/clusters/{cluster['cluster_id']}/labels"
    first = {"level": "bronze", "awarded_on": "2023-11-15", "evidence_url": "https://x.example/1", "kind": "first"}
    early = {**first, "awarded_on": "2024-02-01", "kind": "renewal"}
    renewal = {**first, "awarded_on": "2026-01-20", "kind": "renewal"}

    label = await outreach.post(path, first)

    assert (label["valid_until"], label["renew_from"], label["renew_until"]) == (
        "2025-11-30",
        "2025-05-01",
        "2026-11-30",
    )
    assert (await outreach.post(path, first, expect=409))["code"] == "already_recorded"
    assert (await outreach.post(path, early, expect=409))["code"] == "nothing_to_renew"
    assert (await outreach.post(path, renewal))["valid_until"] == "2028-11-30"
    assert [one["label_id"] for one in (await outreach.get("/labels?expiring_before=2026-01-01"))["items"]] == [
        label["label_id"]
    ]
    assert len((await outreach.get("/clusters?label=bronze"))["items"]) == 1
    await eventually(lambda: bus.published(LabelAwarded))


CLUSTER = {"name": "Cluster X", "country": "SE", "source": "x"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/clusters", b"{", 400, "malformed_json"),
        ("POST", "/clusters", {**CLUSTER, "owner": "me"}, 422, "invalid_request"),
        ("POST", "/clusters", {**CLUSTER, "country": "Sweden"}, 422, "invalid_request"),
        ("GET", "/clusters/clu_x", None, 404, "not_found"),
        ("GET", "/clusters/clu_x/contacts", None, 404, "not_found"),
        ("POST", "/clusters/clu_x/contacts", {"address": "a@b.example", "source": "x"}, 404, "not_found"),
        ("POST", "/clusters/clu_x/merge", {"other": "clu_y", "reason": "x"}, 404, "not_found"),
        ("GET", "/imports/imp_x", None, 404, "not_found"),
        ("GET", "/imports/imp_x/rows", None, 404, "not_found"),
        ("GET", "/campaigns/cmp_x", None, 404, "not_found"),
        ("GET", "/campaigns/cmp_x/sends", None, 404, "not_found"),
        ("GET", "/reviews/rev_x", None, 404, "not_found"),
        ("POST", "/touchpoints/tpt_x/confirmation", {}, 404, "not_found"),
        ("POST", "/sends/snd_x/settlement", {"outcome": "delivered", "evidence": "x"}, 404, "not_found"),
        ("POST", "/campaigns", {"name": "x"}, 422, "invalid_request"),
        ("POST", "/imports", {"rows": []}, 415, "unsupported_media_type"),
        ("PUT", "/suppressions", {"addresses": [], "reason": "x"}, 422, "invalid_request"),
    ],
)
async def test_a_wrong_request_gets_its_problem_and_changes_nothing(outreach, method, path, body, status, code) -> None:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers = {"Content-Type": "application/json"} if isinstance(body, bytes) else {}

    problem = await outreach.call(method, path, expect=status, headers=headers, **sent)

    assert problem["code"] == code
    assert (await outreach.get("/clusters"))["items"] == []


async def test_unreadable_files_are_refused_as_a_whole(outreach) -> None:
    for content in (b"", b"name\nx", b"external_id,name,what\n1,2,3\n"):
        assert (await outreach.upload("/imports", content, expect=422))["code"] == "unreadable_csv"
    assert (await outreach.upload("/imports", b"x" * (5 * 1024 * 1024 + 1), expect=413))["code"] == "content_too_large"
    assert (await outreach.upload("/touchpoints/import", b"a,b\n", expect=422))["code"] == "unreadable_csv"
    assert (await outreach.upload("/contacts/import?purpose=survey", b"a,b\n", expect=422))["code"] == "unreadable_csv"


async def test_a_repeated_key_answers_the_same_and_another_body_is_refused(outreach) -> None:
    headers = {"Idempotency-Key": "one"}

    first = await outreach.post("/clusters", CLUSTER, headers=headers)
    second = await outreach.post("/clusters", CLUSTER, headers=headers)
    other = await outreach.post("/clusters", {**CLUSTER, "name": "Else"}, headers=headers, expect=422)

    assert first["cluster_id"] == second["cluster_id"]
    assert other["code"] == "idempotency_key_reused"


async def test_every_endpoint_needs_a_token_with_its_scope(outreach) -> None:
    public = ("/outreach/unsubscribe/", "/outreach/interest/")
    weak = outreach.tokens.bearer("client", "curriculum.catalogue:read")
    checked = 0
    for route in [route for router in ROUTERS for route in router.routes]:
        if route.path.startswith(public):
            continue
        for method in route.methods - {"HEAD"}:
            path = route.path.replace("{", "x").replace("}", "")
            bare = await outreach.http.request(method, path)
            assert bare.status_code == 401, (method, path, bare.text)
            assert (await outreach.http.request(method, path, headers=weak)).status_code == 403, (method, path)
            checked += 1
    assert checked >= 30
