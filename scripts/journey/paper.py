"""The invoice of the journey: a file nobody here wrote where there is one, else the sample; and its
doubles."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lxml import etree

from backend.invoices.model import Invoice
from backend.invoices.reading import read_with_xml
from scripts.journey.party import JourneyError

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ROOT.parent / "shared" / "data" / "invoices" / "03.07a-INVOICE_ubl.xml"
SAMPLE = ROOT / "samples" / "invoice.ubl.xml"
_SCHEMAS = "urn:oasis:names:specification:ubl:schema:xsd"
_UBL = {"cbc": f"{_SCHEMAS}:CommonBasicComponents-2", "cac": f"{_SCHEMAS}:CommonAggregateComponents-2"}


@dataclass(frozen=True)
class Paper:
    """An invoice file and what it says."""

    data: bytes
    name: str
    is_sample: bool

    @property
    def invoice(self) -> Invoice:
        return read_with_xml(self.data)[0]


def choose(given: Path | None, number: str | None) -> Paper:
    """The file to take the journey with, under another number (of invoice, order and delivery) if one is
    given."""
    path = given or (FOREIGN if FOREIGN.is_file() else SAMPLE)
    data = path.read_bytes()
    if number is not None:
        data = _renumbered(data, number)
    return Paper(data, path.name, path.resolve() == SAMPLE)


def _renumbered(data: bytes, suffix: str) -> bytes:
    root = _parse(data)
    places = ["cbc:ID", "cac:OrderReference/cbc:ID"]
    places += ["cac:DespatchDocumentReference/cbc:ID", "cac:ReceiptDocumentReference/cbc:ID"]
    for element in (found for place in places for found in root.findall(place, _UBL)):
        element.text = f"{element.text}-{suffix}"
    return _write(root)


def reformatted(paper: Paper) -> bytes:
    """The same invoice made to look like another: other date, other layout, its number spelled otherwise."""
    root = _parse(paper.data)
    number, issued = root.find("cbc:ID", _UBL), root.find("cbc:IssueDate", _UBL)
    if number is None or issued is None:
        raise JourneyError(f"{paper.name} has no number or date where UBL has them")
    number.text = re.sub(r"[-/ ]", " ", (number.text or "").lower()) + " "
    issued.text = (date.fromisoformat(issued.text or "") + timedelta(days=1)).isoformat()
    etree.indent(root, "\t")
    return _write(root)


def _parse(data: bytes) -> etree._Element:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def _write(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
