"""One thing is one text, however it is spelt: what is counted, looked for and compared cannot hide."""

from hashlib import sha256

import pytest

from backend.verifier import epcis, logmap
from backend.verifier.identifiers import LONGEST, comparable
from backend.verifier.leaf import Leaf
from backend.verifier.names import namespaces_of

ITEM = "https://id.gs1.org/01/04012345678901/21/A-1"
UNIT = "https://id.gs1.org/00/140123452345678902"
DOCUMENT = "urn:epcglobal:cbv:bt:4012345000009:DA-1%2F7"
EVENT = "urn:uuid:9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
LEAF = Leaf(bytes(32), 0, bytes(20), bytes(32), 0, bytes(range(32)), bytes(32), 0, bytes(32))

SPELLINGS = {
    ITEM: [
        "urn:epc:id:sgtin:4012345.067890.A-1",
        "URN:EPC:id:sgtin:4012345.067890.A%2d1",
        "https://example.com/some/where/01/4012345678901/21/%41-1?linkType=all#x",
        "HTTPS://ID.GS1.org/01/04012345678901/21/A%2D1",
        "http://id.gs1.org/gtin/04012345678901/ser/A-1",
        "shop:21/A-1",
    ],
    "https://id.gs1.org/01/04012345678901/10/L%2F7": [
        "urn:epc:class:lgtin:4012345.067890.L%2F7",
        "https://id.gs1.org/01/04012345678901/10/L%2f7",
    ],
    UNIT: ["urn:epc:id:sscc:4012345.1234567890", "Urn:Epc:id:sscc:4012345.1234567890"],
    DOCUMENT: [
        "urn:epcglobal:cbv:bt:4012345000009:DA-1%2f7",
        "urn:epcglobal:cbv:bt:4012345000009:%44A%2D1/7",
        "URN:epcglobal:cbv:bt:4012345000009:DA-1/7",
        "orders:DA-1%2F7",
    ],
    EVENT: [EVENT.upper(), EVENT.replace("9bdd", "9BDD")],
    "ni:///sha-256;00ff?ver=CBV2.0": ["ni:///sha-256;00FF?ver=CBV2.0", "NI:///sha-256;00Ff?ver=CBV2.0"],
}
CONTEXT = [
    {
        "shop": "https://id.gs1.org/01/04012345678901/",
        "orders": "urn:epcglobal:cbv:bt:4012345000009:",
        "btt": "https://ref.gs1.org/cbv/BTT-",
    }
]


@pytest.mark.parametrize(
    ("form", "spelling"), [(form, each) for form in SPELLINGS for each in SPELLINGS[form]]
)
def test_every_spelling_has_one_form(form, spelling):
    assert comparable(spelling, namespaces_of(CONTEXT)) == form
    assert comparable(form) == form


@pytest.mark.parametrize(
    "other", ["po-7", "PO 7: a", "mailto:A@b", "urn:x:Ab", "https://a.example/Path", "7:x"]
)
def test_what_is_no_key_keeps_its_letters(other):
    assert comparable(other) == other


def test_no_context_gives_a_scheme_another_meaning():
    assert comparable(UNIT, namespaces_of({"https": "urn:x:", "URN": "urn:y:", "urn": "urn:z:"})) == UNIT
    spelt = "urn:epc:id:sscc:4012345.1234567890"
    assert comparable(spelt, namespaces_of([{"urn": "urn:hidden:"}])) == UNIT


def test_what_is_too_long_for_the_index_is_its_hash():
    long = "urn:x:" + "a" * LONGEST
    assert comparable(long) == "sha-256:" + sha256(long.encode()).hexdigest()


def counted(*, event_id=EVENT, item=ITEM, parent=UNIT, lot=ITEM, kind="desadv", document=DOCUMENT):
    event = {
        "type": "AggregationEvent",
        "parentID": parent,
        "childEPCs": [item],
        "childQuantityList": [{"epcClass": lot}],
        "bizTransactionList": [{"type": kind, "bizTransaction": document}],
        "errorDeclaration": {},
    }
    return logmap.identifiers(event | ({"eventID": event_id} if event_id else {}), CONTEXT, LEAF)


@pytest.mark.parametrize(
    "spelt",
    [
        {"event_id": EVENT.upper()},
        {"item": "urn:epc:id:sgtin:4012345.067890.%41-1"},
        {"parent": "urn:epc:id:sscc:4012345.1234567890"},
        {"lot": "shop:21/A-1"},
        {"kind": "urn:epcglobal:cbv:btt:desadv"},
        {"kind": "https://ref.gs1.org/cbv/BTT-desadv"},
        {"kind": "cbv:BTT-desadv"},
        {"kind": "btt:desadv"},
        {"document": "urn:epcglobal:cbv:bt:4012345000009:DA-1/7"},
        {"document": "orders:DA%2D1%2f7"},
    ],
    ids=str,
)
def test_an_error_declaration_or_return_cannot_hide_behind_a_spelling(spelt):
    """The map counts it where the event it is about is counted."""
    assert counted(**spelt) == counted()


def test_an_event_without_an_id_counts_under_its_hash_and_so_does_what_declares_it_wrong():
    name = f"ni:///sha-256;{bytes(range(32)).hex()}?ver=CBV2.0"
    assert counted(event_id=None) == counted(event_id=name.replace("0f", "0F"))
    assert logmap.Identifier("event", name) in counted(event_id=None)


def test_a_word_of_another_vocabulary_is_not_the_one_of_the_cbv():
    view = epcis.view(
        {
            "eventTime": "2026-03-02T09:30:00Z",
            "bizStep": "https://other.example/BizStep-receiving",
            "disposition": "cbv:Disp-recalled",
            "bizTransactionList": [{"type": "https://other.example/po", "bizTransaction": "1"}],
        }
    )
    assert (view.step, view.disposition) == ("https://other.example/BizStep-receiving", "recalled")
    assert view.transactions == {("https://other.example/po", "1")}


@pytest.mark.parametrize("kind", ["bt-desadv", "bt-urn:epcglobal:cbv:btt:desadv"])
def test_what_is_asked_for_takes_its_one_form(kind):
    asked = logmap.identifier(kind, "urn:epcglobal:cbv:bt:4012345000009:DA-1/7")
    assert asked == logmap.Identifier("bt-desadv", DOCUMENT)
    assert logmap.identifier("item", "urn:epc:id:sscc:4012345.1234567890") == logmap.Identifier("item", UNIT)
