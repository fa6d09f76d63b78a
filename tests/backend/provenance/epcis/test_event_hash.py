"""The CBV 2.0 event hash: what it normalises, where two bindings agree, and why it is no commitment."""

from pathlib import Path

import pytest

from backend.provenance.epcis.hashing import plain_number, prehash, utc_milliseconds
from backend.provenance.epcis.validation import read
from backend.verifier.identifiers import canonical
from tests.backend.provenance.epcis.samples import (
    BOARD,
    COLD_CHAIN,
    COLD_CHAIN_XML,
    PALLET,
    RECEIPT,
    RECEIPT_XML,
    document,
    xml_document,
)

VECTORS = Path(__file__).parents[5] / "shared" / "data" / "epcis" / "hash-vectors"


def only(data: bytes) -> str:
    (event,) = read(data).events
    return event.cbv_hash()


def identity(data: bytes) -> bytes:
    (event,) = read(data).events
    return event.identity()


def test_prehash_of_a_receipt() -> None:
    (event,) = read(document(RECEIPT)).events
    assert prehash(event.body, event.namespaces) == (
        "eventType=ObjectEventeventTime=2026-03-02T08:30:00.000ZeventTimeZoneOffset=+01:00"
        "epcListepc=https://id.gs1.org/00/140123452345678902"
        "quantityListquantityElementepcClass=https://id.gs1.org/01/04012345000016/10/LOT-007quantity=40uom=KGM"
        "action=OBSERVEbizStep=https://ref.gs1.org/cbv/BizStep-receiving"
        "disposition=https://ref.gs1.org/cbv/Disp-in_progress"
        "readPointid=https://id.gs1.org/414/4098765000010"
        "bizTransactionListtype=https://ref.gs1.org/cbv/BTT-desadv"
        "bizTransaction=urn:epcglobal:cbv:bt:4012345000009:DA-1"
        "type=https://ref.gs1.org/cbv/BTT-pobizTransaction=urn:epcglobal:cbv:bt:4098765000010:PO-7"
    )


@pytest.mark.parametrize(("json_event", "xml_event"), [(RECEIPT, RECEIPT_XML), (COLD_CHAIN, COLD_CHAIN_XML)])
def test_twin_documents_of_both_bindings_hash_alike(json_event: dict[str, object], xml_event: str) -> None:
    assert only(document(json_event)) == only(xml_document(xml_event))


def test_order_of_members_and_lists_does_not_matter() -> None:
    turned = dict(reversed(RECEIPT.items()))
    turned["bizTransactionList"] = RECEIPT["bizTransactionList"][::-1]
    assert only(document(turned)) == only(document(RECEIPT))


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("2026-03-02T09:30:00.000+01:00", "2026-03-02T08:30:00.000Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"),
        ("2026-02-28T23:59:59.9995Z", "2026-03-01T00:00:00.000Z"),
        ("2026-03-02T09:30:00.1414Z", "2026-03-02T09:30:00.141Z"),
        ("2026-03-02T09:30:00.1415-06:00", "2026-03-02T15:30:00.142Z"),
        ("2026-02-30T00:00:00Z", None),
        ("2026-03-02T09:30:00", None),
        ("yesterday", None),
    ],
)
def test_timestamps_are_utc_milliseconds_rounded_half_up(written: str, normal: str | None) -> None:
    assert utc_milliseconds(written) == normal


@pytest.mark.parametrize(
    ("written", "normal"),
    [("+012.50", "12.5"), ("1.0", "1"), ("-0.0", "0"), ("1e3", "1000"), (".5", "0.5"),
     ("9007199254740993", "9007199254740993"), ("007x", "007x")],
)  # fmt: skip
def test_numbers_are_exact(written: str, normal: str) -> None:
    assert plain_number(written) == normal


def collisions() -> list[tuple[str, bytes, bytes]]:
    step = {key: value for key, value in RECEIPT.items() if key not in {"bizStep", "disposition"}}
    crafted = "https://ref.gs1.org/cbv/BizStep-receivingdisposition=https://ref.gs1.org/cbv/Disp-in_progress"
    link = "https://id.gs1.org/01/04012345111118/21/"
    declared = {"errorDeclaration": {"declarationTime": "2026-03-03T00:00:00Z", "reason": "did_not_occur"}}
    return [
        ("bizStep and disposition as one bizStep", document(RECEIPT), document({**step, "bizStep": crafted})),
        (
            "two EPCs as one odd EPC",
            document({**RECEIPT, "epcList": [link + "1", link + "2"]}),
            document({**RECEIPT, "epcList": [f"{link}1epc={link}2"]}),
        ),
        (
            "two extensions as one free text",
            document({**RECEIPT, "ex:a": "1", "ex:b": "2"}),
            document({**RECEIPT, "ex:a": "1{https://ns.example.com/epcis/}b=2"}),
        ),
        ("eventID", document(RECEIPT), document({**RECEIPT, "eventID": "urn:uuid:0196"})),
        ("recordTime", document(RECEIPT), document({**RECEIPT, "recordTime": "2026-03-02T09:31:00Z"})),
        ("errorDeclaration", document(RECEIPT), document({**RECEIPT, **declared})),
        (
            "offset spelled otherwise",
            document(RECEIPT),
            document({**RECEIPT, "eventTime": "2026-03-02T08:30:00.0001Z"}),
        ),
    ]


@pytest.mark.parametrize(("name", "one", "other"), collisions())
def test_events_that_share_a_cbv_hash_have_different_identities(name: str, one: bytes, other: bytes) -> None:
    assert only(one) == only(other), name
    assert identity(one) != identity(other), name


@pytest.mark.parametrize(
    ("one", "other"),
    [("007", "7"), ("1e3", "1000"), ("12345678901234567", "12345678901234568")],
)
def test_lots_and_serials_never_pass_through_numbers(one: str, other: str) -> None:
    def lot(value: str) -> bytes:
        return document({**RECEIPT, "action": "ADD", "ilmd": {"cbvmda:lotNumber": value}})

    assert only(lot(one)) != only(lot(other))
    assert identity(lot(one)) != identity(lot(other))


def test_quantities_beyond_the_precision_of_a_double_differ() -> None:
    def quantity(text: str) -> bytes:
        return document(RECEIPT).replace(b'"quantity": 40', f'"quantity": {text}'.encode())

    assert only(quantity("9007199254740992")) != only(quantity("9007199254740993"))
    assert identity(quantity("1.0")) != identity(quantity("1.00"))
    assert only(quantity("1.0")) == only(quantity("1.00"))


def test_identity_knows_what_a_prefix_stands_for() -> None:
    event = {**RECEIPT, "ex:grade": "ex:A"}
    one = document(event, context={"ex": "https://one.example/"})
    other = document(event, context={"ex": "https://other.example/"})
    renamed = document({**RECEIPT, "y:grade": "y:A"}, context={"y": "https://one.example/"})
    assert identity(one) != identity(other)
    assert identity(one) == identity(renamed)


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        (PALLET, "https://id.gs1.org/00/140123452345678902"),
        ("urn:epc:id:sgtin:4012345.011111.9876", "https://id.gs1.org/01/04012345111118/21/9876"),
        ("urn:epc:id:sgtin:4012345.011111.98%2f6", "https://id.gs1.org/01/04012345111118/21/98%2F6"),
        ("urn:epc:id:sgln:4012345.00005.0", "https://id.gs1.org/414/4012345000054"),
        ("urn:epc:id:sgln:4012345.00005.A1", "https://id.gs1.org/414/4012345000054/254/A1"),
        ("urn:epc:id:pgln:4012345.00000", "https://id.gs1.org/417/4012345000009"),
        ("urn:epc:class:lgtin:4012345.000001.LOT-007", BOARD),
        ("urn:epc:idpat:sgtin:4012345.011111.*", "https://id.gs1.org/01/04012345111118"),
        ("urn:epc:id:sgtin:4012345.01111.9876", "urn:epc:id:sgtin:4012345.01111.9876"),
        ("https://shop.example/p/gtin/4012345111118/lot/A/ser/1?x=1#y",
         "https://id.gs1.org/01/04012345111118/21/1"),
        ("https://example.com/01/04012345111118/22/2A", "https://id.gs1.org/01/04012345111118"),
        ("https://example.com/about", "https://example.com/about"),
        ("", ""),
    ],
)  # fmt: skip
def test_keys_have_one_canonical_link(uri: str, link: str) -> None:
    assert canonical(uri) == link


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the official vectors are not on this machine")
def test_official_vectors() -> None:
    files = [path for path in sorted(VECTORS.iterdir()) if path.suffix in {".jsonld", ".xml"}]
    assert files
    for path in files:
        hashes = [event.cbv_hash() for event in read(path.read_bytes()).for_hashing()]
        assert hashes == path.with_suffix(".hashes").read_text().split(), path.name
