"""The public collections, where `CORPORA` names a folder that holds them; otherwise their absence is said."""

import os
from pathlib import Path

import pytest

from backend.provenance.epcis.document import Document, Fault, Unreadable
from backend.provenance.epcis.validation import read, validate

CORPORA = os.environ.get("CORPORA")
ROOT = Path(CORPORA or ".")
pytestmark = pytest.mark.skipif(CORPORA is None, reason="CORPORA names no folder with EPCIS collections")

KNOWN = {
    "AssociationEvent-h.jsonld": "eventID stands twice in one object",
    "JumbledFieldsOrder.xml": "elements out of order, refused by the XSD too",
    "Namespace_document.xml": "elements in a namespace, refused by the XSD too",
    "Namespace_event.xml": "elements in a namespace, where the binding has none",
}
"""Documents of collections of valid ones that are refused here, and why."""


def found(*patterns: str) -> list[Path]:
    files = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    if not files:
        pytest.skip(f"no {patterns[0]} under {ROOT}")
    return files


def faults(path: Path) -> list[Fault]:
    try:
        return validate(read(path.read_bytes()))
    except Unreadable as error:
        return [error.fault]


def hashes(document: Document) -> list[str]:
    return [event.cbv_hash() for event in document.for_hashing()]


def test_official_hash_vectors() -> None:
    documents = [
        path
        for path in found("**/tests/examples/*.xml", "**/tests/examples/*.jsonld")
        if path.with_suffix(".hashes").exists()
    ]
    assert len(documents) >= 39
    for path in documents:
        expected = path.with_suffix(".hashes").read_text().split()
        assert hashes(read(path.read_bytes())) == expected, path.name


def test_documents_that_say_the_same_hash_alike() -> None:
    for path in found("**/tests/expected_equal/*"):
        assert len(set(hashes(read(path.read_bytes())))) == 1, path.name


def test_valid_documents_are_accepted() -> None:
    for path in found(
        "**/EPCIS/JSON/**/*.jsonld", "**/2.0/**/Capture/[DE]*/*.json", "**/2.0/**/Capture/[DE]*/*.xml"
    ):
        if path.name not in KNOWN:
            assert faults(path) == [], path.name


def test_invalid_documents_are_refused_with_a_place() -> None:
    for path in found("**/2.0/**/Capture/Invalid/*.json", "**/2.0/**/Capture/Invalid/*.xml"):
        first = faults(path)[0]
        assert first.detail, path.name


def test_twins_of_both_bindings_hash_alike() -> None:
    pairs = [
        (path, twin)
        for path in found("**/EPCIS/JSON/Capture/Documents/*.json")
        if (twin := Path(str(path).replace("/JSON/", "/XML/")).with_suffix(".xml")).exists()
    ]
    assert pairs
    for path, twin in pairs:
        if twin.name not in KNOWN:
            assert hashes(read(path.read_bytes())) == hashes(read(twin.read_bytes())), path.name
