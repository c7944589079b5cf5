import asyncio
import os
import signal
from collections import Counter
from typing import Any

from cme_contracts.outreach import CampaignFinished, CampaignStarted
from cme_kit.mongo import Database
from cme_kit.testing import eventually, free_port


async def test_a_campaign_reaches_each_contact_in_its_language_once(outreach_on_both_drivers, bus, sink) -> None:
    outreach = outreach_on_both_drivers
    cluster = await outreach.cluster(country="LT")
    for name, language in (("ona", "lt"), ("eva", "et")):
        contact = await outreach.contact(cluster["cluster_id"], f"{name}@kl.example", language=language)
        await outreach.consent(contact["contact_id"])
    await outreach.contact(cluster["cluster_id"], "silent@kl.example")
    campaign_id = await outreach.campaign()

    await outreach.start(campaign_id)

    campaign = await outreach.finished(campaign_id)
    assert campaign["counts"] == {
        "snapshot": 3,
        "queued": 0,
        "sending": 0,
        "sent": 2,
        "failed": 0,
        "suppressed": 1,
        "in_doubt": 0,
    }
    assert campaign["clusters_contacted"] == 1
    by_address = {message["To"]: message for message in sink.messages()}
    assert {address: message["Subject"] for address, message in by_address.items()} == {
        "ona@kl.example": "Kviečiame mokytis",
        "eva@kl.example": "Come and learn",
    }
    assert "Mūsų" not in by_address["eva@kl.example"].as_string()
    assert "Jūsų adresą gavome iš: test." in by_address["ona@kl.example"].get_body(("plain",)).get_content()
    assert all(
        send["rule_id"].startswith("LT.") for send in (await outreach.get(f"/campaigns/{campaign_id}/sends"))["items"]
    )

    async def told() -> bool:
        started, finished = await bus.published(CampaignStarted), await bus.published(CampaignFinished)
        return [event.data["recipients"] for event in started] == [3] and [e.data["sent"] for e in finished] == [2]

    await eventually(told)


async def test_a_mail_carries_one_click_headers_and_its_own_message_id(outreach, sink) -> None:
    await outreach.mailable(1)
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)
    await outreach.finished(campaign_id)

    [message] = sink.messages()
    [send] = (await outreach.get(f"/campaigns/{campaign_id}/sends"))["items"]

    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"] == f"<http://gateway.test{sink.link(message, 'unsubscribe')}>"
    assert message["Message-ID"] == send["message_id"]
    assert message["Message-ID"].endswith("@cme.example>")
    assert message.get_body(("html",)) is not None
    assert "<img" not in message.get_body(("html",)).get_content()


async def test_a_contact_in_two_clusters_gets_one_mail(outreach, sink) -> None:
    for _ in range(2):
        cluster = await outreach.cluster()
        contact = await outreach.contact(cluster["cluster_id"], "both@shared.example")
        await outreach.consent(contact["contact_id"])
    campaign_id = await outreach.campaign()

    await outreach.start(campaign_id)

    assert (await outreach.finished(campaign_id))["counts"]["sent"] == 1
    assert len(sink.mails) == 1


async def test_a_withdrawal_after_the_start_stops_the_mail_that_waits(outreach, sink) -> None:
    contacts = await outreach.mailable(12)
    sink.answering.clear()
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)

    async def busy() -> bool:
        return (await outreach.get(f"/campaigns/{campaign_id}"))["counts"]["sending"] == 4

    await eventually(busy)
    queued = (await outreach.get(f"/campaigns/{campaign_id}/sends?state=queued"))["items"]
    withdrawn = {send["contact_id"] for send in queued[:3]}
    for contact_id in withdrawn:
        await outreach.consent(contact_id, state="withdrawn", given_at="2026-02-01T10:00:00Z")
    address_of = {contact["contact_id"]: contact["address"] for contact in contacts}
    suppressed = queued[4]["contact_id"]
    body = {"addresses": [address_of[suppressed].upper()], "reason": "asked by phone"}
    await outreach.call("PUT", "/suppressions", json=body, expect=200)
    sink.answering.set()

    campaign = await outreach.finished(campaign_id)

    assert (campaign["counts"]["sent"], campaign["counts"]["suppressed"]) == (8, 4)
    mailed = {message["To"] for message in sink.messages()}
    assert mailed.isdisjoint({address_of[contact_id] for contact_id in withdrawn | {suppressed}})
    rules = Counter(
        s["rule_id"] for s in (await outreach.get(f"/campaigns/{campaign_id}/sends?state=suppressed"))["items"]
    )
    assert rules == {"consent.withdrawn": 3, "suppressed.all": 1}


async def test_what_the_relay_answers_decides_the_state(outreach, sink) -> None:
    cluster = await outreach.cluster()
    for name in ("fine", "gone", "later", "vanished"):
        contact = await outreach.contact(cluster["cluster_id"], f"{name}@relay.example")
        await outreach.consent(contact["contact_id"])
    answers = {"gone": "550 5.1.1 no such mailbox", "later": "451 4.3.0 try later"}

    def behave(stage: str, address: str) -> str:
        name = address.partition("@")[0]
        if stage == "data" and name == "vanished":
            return "drop after"
        return answers.get(name, "") if stage == "rcpt" else ""

    sink.behave = behave
    campaign_id = await outreach.campaign()
    await outreach.start(campaign_id)

    async def settled() -> bool:
        counts = (await outreach.get(f"/campaigns/{campaign_id}"))["counts"]
        return (counts["sent"], counts["failed"], counts["queued"], counts["in_doubt"]) == (1, 1, 1, 1)

    await eventually(settled)
    campaign = await outreach.get(f"/campaigns/{campaign_id}")
    assert campaign["state"] == "sending"
    [failed] = (await outreach.get(f"/campaigns/{campaign_id}/sends?state=failed"))["items"]
    assert failed["reply"].startswith("550")


async def test_a_connection_that_breaks_before_the_content_costs_nothing(outreach, sink) -> None:
    await outreach.mailable(2)
    broken = iter(["drop"])
    sink.behave = lambda stage, _address: next(broken, "") if stage == "rcpt" else ""
    campaign_id = await outreach.campaign()

    await outreach.start(campaign_id)

    assert (await outreach.finished(campaign_id))["counts"]["sent"] == 2
    assert len(sink.mails) == 2


async def test_a_relay_that_is_away_delays_and_loses_nothing(run_outreach, sink) -> None:
    port = free_port()
    async with run_outreach(port) as outreach:
        await outreach.mailable(2)
        campaign_id = await outreach.campaign()
        await outreach.start(campaign_id)
        await asyncio.sleep(0.5)
        assert (await outreach.get(f"/campaigns/{campaign_id}"))["counts"]["queued"] == 2

        server = await asyncio.start_server(sink.serve, "127.0.0.1", port)

        assert (await outreach.finished(campaign_id))["counts"]["sent"] == 2
        server.close()


async def test_a_restart_in_good_order_leaves_nothing_in_doubt(run_outreach, sink) -> None:
    async with run_outreach(sink.port) as outreach:
        await outreach.mailable(30)
        campaign_id = await outreach.campaign()
        await outreach.start(campaign_id)
        await eventually(lambda: asyncio.sleep(0, len(sink.mails) > 5))

    async with run_outreach(sink.port) as outreach:
        counts = (await outreach.finished(campaign_id))["counts"]
        assert (counts["sent"], counts["in_doubt"]) == (30, 0)
    assert len(sink.mails) == 30


async def test_a_killed_sender_leaves_doubt_and_never_sends_twice(run_outreach, start_process, sink, engines) -> None:
    async with run_outreach(sink.port) as outreach:
        await outreach.mailable(40)
        campaign_id = await outreach.campaign()
    async with run_outreach(free_port()) as outreach:
        await outreach.start(campaign_id)  # nobody can be reached from here: the other process sends

    process = start_process(sink.port)
    try:
        await eventually(lambda: asyncio.sleep(0, len(sink.mails) >= 10), 80)
        sink.answering.clear()  # four mails are taken by the relay and not yet answered
        taken = len(sink.mails)
        await eventually(lambda: asyncio.sleep(0, len(sink.mails) >= taken + 3))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    sink.answering.set()
    database = Database.connect(engines.mongo_url, "admin")
    await database.abort_transactions()  # its own, which the embedded server would keep for 60 s
    await database.close()

    async with run_outreach(sink.port) as outreach:

        async def nothing_waits() -> dict[str, Any] | None:
            campaign = await outreach.get(f"/campaigns/{campaign_id}")
            waiting = campaign["counts"]["queued"] + campaign["counts"]["sending"]
            return None if waiting else campaign

        campaign = await eventually(nothing_waits, 30)
        counts = campaign["counts"]
        assert 3 <= counts["in_doubt"] <= 4
        assert counts["sent"] + counts["in_doubt"] == counts["snapshot"] == 40
        assert campaign["state"] == "sending"
        seen = Counter(message["Message-ID"] for message in sink.messages())
        assert set(seen.values()) == {1}

        [first, *others] = (await outreach.get(f"/campaigns/{campaign_id}/sends?state=in_doubt"))["items"]
        body = {"outcome": "delivered", "evidence": f"relay log has {first['message_id']}"}
        settled = await outreach.post(f"/sends/{first['send_id']}/settlement", body, expect=200)
        assert settled["state"] == "sent"
        again = await outreach.post(f"/sends/{first['send_id']}/settlement", body, expect=409)
        assert again["code"] == "wrong_state"
        body = {"outcome": "not_delivered", "evidence": "not in the relay log"}
        for send in others:
            await outreach.post(f"/sends/{send['send_id']}/settlement", body, expect=200)
        after = await outreach.finished(campaign_id)
        assert after["counts"]["sent"] == counts["snapshot"]
        assert after["counts"]["in_doubt"] == 0


async def test_a_campaign_starts_once_and_only_with_somebody_to_mail(outreach) -> None:
    nobody = await outreach.campaign(audience={"countries": ["MT"], "labels": []})
    refused = await outreach.start(nobody, expect=409)
    assert refused["code"] == "empty_audience"
    assert (await outreach.get(f"/campaigns/{nobody}"))["state"] == "draft"
    await outreach.mailable(1)
    campaign_id = await outreach.campaign()

    await outreach.start(campaign_id)

    again = await outreach.start(campaign_id, expect=409)
    assert again["code"] == "wrong_state"
    await outreach.start("cmp_01jb6x00000000000000000000", expect=404)
