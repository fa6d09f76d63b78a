"""Bad input at every step: one clear problem each, and nothing changed."""

import json
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from eth_account import Account

from backend.signing import ledger as pinned
from backend.signing.keystore import Keystore
from backend.signing.typed import check
from scripts.journey.party import Party, RefusedError, wait_for
from scripts.parties import PartyFolder
from tests.e2e.conftest import SAMPLE, Running
from tests.e2e.test_journey import finished


def key_of(running: Running, name: str) -> Account:
    folder = PartyFolder(running.parties, name)
    return Keystore(folder.keystore).unlock("signer", folder.password.read_text().strip())


def signed(running: Running, typed_data: dict, who: str, **domain: object) -> str:
    """A signature as any wallet would make it, of the typed data with its domain changed."""
    changed = {**typed_data, "domain": typed_data["domain"] | domain}
    ledger = pinned.parse(running.network.deployment)
    if domain:
        ledger = pinned.Ledger(int(changed["domain"]["chainId"]), ledger.contracts, ledger.tokens)
    message = check(changed, ledger).signable()
    return "0x" + bytes(key_of(running, who).sign_message(message).signature).hex()


def headers(running: Running, name: str, key: str | None = None) -> dict[str, str]:
    kept = PartyFolder(running.parties, name).load()
    assert kept is not None
    return {
        "Authorization": f"Bearer {next(iter(kept.users.values()))['api_key']}",
        "Idempotency-Key": key or uuid4().hex,
    }


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["detail"]
    return answer.status_code, body.get("code", body["type"].rpartition(":")[2])


@pytest.fixture(scope="module")
def drafted(running: Running) -> dict:
    """A receivable that its supplier put forward and its buyer has not confirmed."""
    number = uuid4().hex[:8].upper()
    finished(running.journey(number, until="draft"))
    return running.party("supplier").get("/v1/receivables")["items"][0]


def test_no_key_and_a_made_up_key(raw: httpx.Client, drafted: dict) -> None:
    for authorization in (None, "Bearer tsk_made-up"):
        sent = {"Authorization": authorization} if authorization else {}
        for method, path in (
            ("GET", "/v1/receivables"),
            ("POST", f"{drafted['links']['self']}/confirmation"),
        ):
            answer = raw.request(method, path, headers=sent | {"Idempotency-Key": uuid4().hex})
            assert problem(answer) == (401, "unauthenticated")


def test_a_strangers_api_key_finds_nothing(raw: httpx.Client, running: Running, drafted: dict) -> None:
    place = drafted["links"]["self"]
    for path in ("issue", "confirmation"):
        assert problem(raw.post(f"{place}/{path}", headers=headers(running, "rival"))) == (404, "not-found")
    assert problem(raw.get(place, headers=headers(running, "rival"))) == (404, "not-found")


def test_what_only_the_other_side_may_do(raw: httpx.Client, running: Running, drafted: dict) -> None:
    place = drafted["links"]["self"]
    supplier = headers(running, "supplier")
    assert problem(raw.post(f"{place}/confirmation", headers=supplier)) == (404, "not-found")
    assert problem(raw.post(f"{place}/issue", headers=headers(running, "supplier"))) == (409, "wrong-stage")
    auditor = headers(running, "auditor")
    assert raw.get(place, headers=auditor).status_code == 200
    assert problem(raw.post(f"{place}/confirmation", headers=auditor)) == (403, "forbidden")


def test_signatures_that_are_not_the_buyers_of_this_on_this_chain(
    raw: httpx.Client, running: Running, drafted: dict
) -> None:
    buyer, place = running.party("buyer"), drafted["links"]["self"]
    action = buyer.post(f"{place}/confirmation")
    typed = action["typed_data"]

    def bring(signature: str) -> tuple[int, str]:
        sent = headers(running, "buyer")
        return problem(raw.post(action["links"]["signatures"], json={"signature": signature}, headers=sent))

    assert bring(signed(running, typed, "rival")) == (403, "signer-not-authorised")
    assert bring(signed(running, typed, "buyer", chainId=1)) == (403, "signer-not-authorised")
    assert bring("0x1234") == (422, "signature-malformed")
    assert buyer.get(action["links"]["self"])["status"] == "prepared"
    assert buyer.get(place)["stage"] == "put_forward"
    assert running.chain.status(drafted["chain_id"]) == "none"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "invoice-unreadable"),
        (b"no invoice at all", "invoice-unreadable"),
        (b"<?xml version='1.0'?><a/>", "invoice-unreadable"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "invoice-unreadable"),
        (SAMPLE.read_bytes()[:2000], "invoice-unreadable"),
    ],
)
def test_files_that_are_no_invoice(raw: httpx.Client, running: Running, content: bytes, reason: str) -> None:
    before = raw.get("/v1/invoices", headers=headers(running, "supplier")).json()
    sent = headers(running, "supplier") | {"Content-Type": "application/xml"}
    assert problem(raw.post("/v1/invoices", content=content, headers=sent)) == (422, reason)
    assert raw.get("/v1/invoices", headers=headers(running, "supplier")).json() == before


def test_a_repeated_request_with_another_body(raw: httpx.Client, running: Running) -> None:
    once = headers(running, "buyer")
    wallet = PartyFolder(running.parties, "buyer").load()
    assert wallet is not None
    body = {"currency": "EUR", "purpose": "payments", "amount": 100, "wallet": wallet.signer}
    first = raw.post("/v1/permits", json=body, headers=once)
    assert first.status_code == 201
    assert raw.post("/v1/permits", json=body, headers=once).json() == first.json()
    other = raw.post("/v1/permits", json=body | {"amount": 200}, headers=once)
    assert problem(other) == (422, "idempotency-key-reused")
    missing = {"Authorization": once["Authorization"]}
    assert problem(raw.post("/v1/permits", json=body, headers=missing)) == (400, "idempotency-key-missing")


def test_a_document_signed_by_another(raw: httpx.Client, running: Running) -> None:
    buyer, rival = running.party("buyer"), running.party("rival")
    document = json.dumps({"type": "EPCISDocument"}).encode()
    digest = "0x" + sha256(document).hexdigest()
    typed = buyer.get("/v1/log/signing", account=buyer.account, document=digest)["typed_data"]
    sent = headers(running, "rival") | {
        "Content-Type": "application/json",
        "Tallystick-Account": buyer.account,
        "Tallystick-Signature": signed(running, typed, "rival"),
    }
    answer = raw.post("/epcis/capture", content=document, headers=sent)
    assert answer.status_code in {400, 403, 422}
    assert problem(answer)[1]
    assert rival.account != buyer.account


def test_paying_without_a_permit_fails_on_the_chain_with_a_sentence_and_changes_nothing(
    running: Running,
) -> None:
    number = uuid4().hex[:8].upper()
    finished(running.journey(number, until="confirm"))
    supplier = running.party("supplier")
    claim = supplier.get("/v1/receivables")["items"][0]
    buyer: Party = running.party("buyer")
    action = buyer.post(f"{claim['links']['self']}/payments", {"amount": claim["amount"]["minor"]})
    buyer.sign(action)

    def ended() -> dict | None:
        done = buyer.get(f"/v1/operations/{buyer.get(action['links']['self'])['operation_id']}")
        return done if done["status"] != "pending" else None

    operation = wait_for("the end of the operation", ended)
    assert operation["status"] == "failed"
    assert operation["error"]["detail"]
    assert running.chain.status(claim["chain_id"]) == "confirmed"


def test_the_same_file_again_is_refused_with_a_sentence(running: Running, tmp_path: Path) -> None:
    supplier = running.party("supplier")
    data = SAMPLE.read_bytes()
    files = {"file": ("invoice.xml", data, "application/xml")}
    known = supplier.get("/v1/invoices", number="RE-2026-0417")["items"]
    if not known:
        supplier.post("/v1/invoices", files=files)
    with pytest.raises(RefusedError) as refusal:
        supplier.post("/v1/invoices", files=files, once="again")
    assert (refusal.value.status, refusal.value.code) == (409, "invoice-known")
