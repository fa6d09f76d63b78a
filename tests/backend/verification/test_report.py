"""The report and the bundle as the API gives them, and what was found outside the ledger in them."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from backend.verifier import bundle, report

NOW = datetime.now(UTC)


async def outcomes(member, scene):
    answer = await member.user.get(f"/v1/receivables/{scene.id}/verification")
    assert answer.status_code == 200, answer.text
    return {each["check"]: each for each in answer.json()["checks"]}


async def test_the_report_answers_every_check_to_whoever_sees_the_claim(scene):
    found = await outcomes(scene.bank, scene)
    passing = {name for name, each in found.items() if each["outcome"] == "pass"}
    assert {
        "claim",
        "supplier-admitted",
        "debtor-admitted",
        "document",
        "amount",
        "signature",
        "signer",
    } <= passing
    assert {"fingerprint", "identity", "slot", "holder", "free", "unpaid", "pending"} <= passing
    assert found["events-recorded"]["outcome"] == "cannot-tell"
    stranger = await scene.market.member(4)
    refused = await stranger.user.get(f"/v1/receivables/{scene.id}/verification")
    assert refused.status_code == 404


async def test_the_bundle_gives_the_same_answers_offline(scene):
    online = await outcomes(scene.bank, scene)
    raw = (await scene.bank.user.get(f"/v1/receivables/{scene.id}/bundle")).content
    read, policy = bundle.read(raw, block_hash=None, now=int(datetime.now(UTC).timestamp()))
    offline = report.run(read, policy, policy)
    assert {each.check: each.outcome.value for each in offline.results} == {
        name: each["outcome"] for name, each in online.items()
    }
    assert offline.dishonest == ()


async def test_a_bundle_holds_no_state_that_its_checks_do_not_read(scene):
    scene.put(7, "_book", "states", bytes(31) + b"\x05", "face")  # somebody else's claim
    raw = (await scene.bank.user.get(f"/v1/receivables/{scene.id}/bundle")).content
    state = await scene.chain.at("")
    assert len(json.loads(raw)["state"]) < len(state.nodes)


async def test_a_dispute_shows(scene):
    await scene.dispute()
    assert (await outcomes(scene.bank, scene))["free"]["outcome"] == "fail"


async def test_nothing_is_said_while_the_node_does_not_give_the_state(scene):
    scene.chain.down = True
    answer = await scene.bank.user.get(f"/v1/receivables/{scene.id}/verification")
    assert (answer.status_code, answer.json()["type"]) == (
        503,
        "urn:tallystick:problem:verification-state-unavailable",
    )


async def test_a_bank_notes_what_it_found_for_itself(scene):
    when = (NOW - timedelta(days=2)).isoformat()
    note = {"party_id": str(scene.debtor.party_id), "screened_at": when, "source": "Our own desk"}
    made = await scene.bank.user.post("/v1/verification/screenings", json=note)
    assert (made.status_code, made.json()["in_every_report"]) == (201, False)
    search = {"receivable_id": str(scene.id), "register": "Example register", "searched_at": when, "hits": 0}
    assert (await scene.bank.user.post("/v1/verification/registry-searches", json=search)).status_code == 201
    mine, theirs = await outcomes(scene.bank, scene), await outcomes(scene.supplier, scene)
    assert (mine["debtor-screened"]["outcome"], mine["debtor-screened"]["basis"]) == ("pass", "claimed")
    assert "Our own desk" in mine["debtor-screened"]["text"]
    assert mine["registry"]["outcome"] == "pass"
    assert (theirs["debtor-screened"]["outcome"], theirs["registry"]["outcome"]) == (
        "cannot-tell",
        "cannot-tell",
    )


async def test_what_was_found_is_of_the_past_and_about_what_one_may_see(scene):
    late = {
        "party_id": str(scene.debtor.party_id),
        "source": "x",
        "screened_at": (NOW + timedelta(days=1)).isoformat(),
    }
    assert (await scene.bank.user.post("/v1/verification/screenings", json=late)).status_code == 422
    stranger = await scene.market.member(4)
    search = {"receivable_id": str(scene.id), "register": "R", "searched_at": NOW.isoformat(), "hits": 1}
    assert (await stranger.user.post("/v1/verification/registry-searches", json=search)).status_code == 404


async def test_a_pinned_key_is_the_debtors_by_the_banks_own_word(scene):
    key = "0x" + scene.debtor.key.address[2:].lower().rjust(64, "0")
    pin = {"debtor_party_id": str(scene.debtor.party_id), "key": key, "source": "Called back"}
    made = await scene.bank.user.post("/v1/verification/debtor-keys", json=pin)
    assert made.status_code == 201
    again = await scene.bank.user.post("/v1/verification/debtor-keys", json=pin)
    assert (again.status_code, again.json()["type"]) == (
        409,
        "urn:tallystick:problem:verification-key-pinned",
    )
    found = await outcomes(scene.bank, scene)
    assert (found["debtor-key"]["outcome"], found["debtor-key"]["by_word_of"][0]) == ("pass", "bank")
    assert (await outcomes(scene.supplier, scene))["debtor-key"]["outcome"] == "cannot-tell"
    place = f"/v1/verification/debtor-keys/{made.json()['id']}"
    assert (await scene.supplier.user.client.delete(place)).status_code == 404
    assert (await scene.bank.user.client.delete(place)).status_code == 204
    assert (await outcomes(scene.bank, scene))["debtor-key"]["outcome"] == "cannot-tell"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_texts_are_in_the_readers_language(scene, language):
    answer = await scene.bank.user.get(
        f"/v1/receivables/{scene.id}/verification", headers={"Accept-Language": language}
    )
    titles = [each["title"] for each in answer.json()["checks"]]
    assert ("区块" in titles) == (language == "zh-CN")


async def test_the_dossier_holds_everything_behind_one_claim(scene):
    answer = await scene.bank.user.get(f"/v1/receivables/{scene.id}/dossier")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    read, _ = bundle.read(files["bundle.json"], block_hash=None, now=0)
    assert "0x" + read.receivable.hex() == scene.claim["chain_id"]
    assert json.loads(files["report.json"])["receivable"] == scene.claim["chain_id"]
    assert "区块" in files["report.zh.txt"].decode()
    assert json.loads(files["timeline.json"])[0]["name"] == "Issued"
    assert "tallystick verify" in files["README.txt"].decode()
    stranger = await scene.market.member(4)
    assert (await stranger.user.get(f"/v1/receivables/{scene.id}/dossier")).status_code == 404
