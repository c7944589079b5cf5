"""What the links of a mail do: unsubscribe, tell interest, and nothing when they were changed."""

import pytest


@pytest.mark.parametrize("language", ["en", "sv", "fi", "lt", "de"])
async def test_unsubscribing_works_on_the_page_in_each_language(outreach, sink, language: str) -> None:
    [contact] = await outreach.mailable(1)
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)
    await outreach.finished(campaign_id)
    path = sink.link(sink.messages()[0], "unsubscribe")
    headers = {"Accept": "text/html"}

    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        await outreach.http.request(method, f"{path}?lang={language}", headers=headers)
    shown = await outreach.http.get(f"{path}?lang={language}", headers=headers)
    before = await outreach.get(f"/clusters/{contact['cluster_id']}/contacts")
    posted = await outreach.http.post(f"{path}?lang={language}", data={"scope": "all"}, headers=headers)

    assert (shown.status_code, posted.status_code) == (200, 200)
    assert before["items"][0]["objections"] == {}
    assert shown.headers["content-language"] == language
    if language != "en":
        assert "Which mails do you no longer want?" not in shown.text
        assert "You get no more of these mails" not in posted.text
    [after] = (await outreach.get(f"/clusters/{contact['cluster_id']}/contacts"))["items"]
    assert list(after["objections"]) == ["all"]
    assert not any(permission["allowed"] for permission in after["permissions"].values())
    assert contact["address"] not in shown.text + posted.text


async def test_one_click_unsubscribes_once_and_for_that_purpose(outreach, sink) -> None:
    [contact] = await outreach.mailable(1)
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)
    await outreach.finished(campaign_id)
    path = sink.link(sink.messages()[0], "unsubscribe")

    for upload in ({"data": {"List-Unsubscribe": "One-Click"}}, {"files": {"List-Unsubscribe": (None, "One-Click")}}):
        answer = await outreach.http.post(path, **upload)
        assert answer.status_code == 200, answer.text

    [after] = (await outreach.get(f"/clusters/{contact['cluster_id']}/contacts"))["items"]
    assert list(after["objections"]) == ["event_invite"]
    assert after["consents"]["event_invite"]["state"] == "withdrawn"
    ledger = (await outreach.get(f"/contacts/{contact['contact_id']}/consents"))["items"]
    assert [one["state"] for one in ledger] == ["given", "withdrawn"]
    second = await outreach.campaign()
    await outreach.start(second)
    assert (await outreach.finished(second))["counts"]["suppressed"] == 1
    assert len(sink.mails) == 1


async def test_interest_is_an_act_and_opening_the_page_is_none(outreach, sink) -> None:
    [contact] = await outreach.mailable(1)
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)
    await outreach.finished(campaign_id)
    path = sink.link(sink.messages()[0], "interest")

    page = await outreach.http.get(path, headers={"Accept": "text/html"})
    before = await outreach.get("/indicators/clusters-aware")
    empty = await outreach.http.post(path, data={}, headers={"Accept": "text/html"})
    for _ in range(2):
        sent = await outreach.http.post(path, data={"interest": "guide"}, headers={"Accept": "text/html"})
    as_json = await outreach.http.post(path, json={"interest": "webinar"}, headers={"Accept": "application/json"})

    assert (page.status_code, empty.status_code, sent.status_code, as_json.status_code) == (200, 422, 200, 200)
    assert "Error:" in empty.text
    assert (before["value"], before["by_tier"]["informed"]) == (0, 1)
    after = await outreach.get("/indicators/clusters-aware")
    assert (after["value"], after["by_country"]) == (1, {"SE": 1})
    [item] = (await outreach.get("/indicators/clusters-aware/evidence"))["items"]
    assert (item["cluster_id"], item["tier"], len(item["touchpoint_ids"])) == (contact["cluster_id"], "engaged", 2)


async def test_a_link_of_another_purpose_or_a_changed_one_is_refused(outreach, sink) -> None:
    await outreach.mailable(1)
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)
    await outreach.finished(campaign_id)
    token = sink.link(sink.messages()[0], "interest").rpartition("/")[2]

    for wrong in (token, token[:-1], "x", "ä.b"):
        for method in ("GET", "POST"):
            path = f"/outreach/unsubscribe/{wrong}"
            page = await outreach.http.request(method, path, headers={"Accept": "text/html"})
            problem = await outreach.http.request(method, path, headers={"Accept": "application/json"})
            assert (page.status_code, problem.status_code) == (404, 404), (wrong, page.text)
            assert problem.json()["code"] == "not_found"
