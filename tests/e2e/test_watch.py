"""Who watches a claim is told when its goods are said to come back, whoever says it."""

import json
from datetime import UTC, datetime
from typing import Any

from scripts.journey.party import Party, wait_for
from scripts.journey.story import gln_of
from tests.e2e.conftest import Running
from tests.e2e.test_journey import finished


def test_goods_that_come_back_are_told_to_who_watches_the_claim(running: Running, number: str) -> None:
    finished(running.journey(number, until="verify"))
    supplier = running.party("supplier")
    (claim,) = [each for each in claims(supplier) if number in each["invoice_number"]]
    place = f"/v1/receivables/{claim['id']}/verification"
    before = outcomes(supplier.get(place))
    assert before["corrections"] != "fail"
    watch = supplier.post("/v1/verification/watches", {"receivable_id": claim["id"]})
    wait_for("the first report", lambda: reported(supplier, watch["id"]))

    supplier.record(returned(supplier, f"DN-5531-{number}"))
    told = wait_for("the change", lambda: changes(supplier, claim["id"]))

    assert {"check": "corrections", "after": "fail"}.items() <= told["corrections"].items()
    assert outcomes(supplier.get(place))["corrections"] == "fail"


def claims(party: Party) -> list[dict[str, Any]]:
    found = party.get("/v1/receivables", limit=200)["items"]
    names = {each["id"]: each for each in party.get("/v1/invoices", limit=200)["items"]}
    return [{**each, "invoice_number": names[each["invoice_id"]]["number"]} for each in found]


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["outcome"] for each in report["checks"]}


def reported(party: Party, watch: str) -> bool:
    (found,) = [each for each in party.get("/v1/verification/watches")["items"] if each["id"] == watch]
    return bool(found["reported"])


def changes(party: Party, claim: str) -> dict[str, Any] | None:
    """The newest notice of the claim, by check, once it tells of the goods."""
    for notice in party.get("/v1/notices", limit=200)["items"]:
        if notice["type"] == "verification.changed" and notice["data"]["receivable_id"] == claim:
            told = {each["check"]: each for each in notice["data"]["changes"]}
            if "corrections" in told:
                return told
    return None


def returned(party: Party, despatch: str) -> bytes:
    """The seller says that some of what it despatched came back."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    event = {
        "type": "ObjectEvent",
        "eventTime": now,
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "receiving",
        "disposition": "returned",
        "bizTransactionList": [
            {"type": "desadv", "bizTransaction": f"urn:epcglobal:cbv:bt:{gln_of(party)}:{despatch}"}
        ],
        "quantityList": [{"epcClass": "https://id.gs1.org/01/09521234000006", "quantity": 1}],
    }
    document = {
        "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": now,
        "epcisBody": {"eventList": [event]},
    }
    return json.dumps(document).encode()
