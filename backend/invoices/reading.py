"""From bytes to an invoice: what a file is shows in its content, never in its name or a claim about it."""

from dataclasses import replace

from lxml import etree

from backend.invoices.formats import archive, bounds, cii, fapiao, json, pdf, sheets, ubl, xml
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Attachment, Format, Invoice, Issue

_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xff\xfe", b"\xfe\xff")


def read(data: bytes) -> Invoice:
    """The one invoice in `data`. Raises Unreadable with a sentence that says what it is and what to do."""
    return read_with_xml(data)[0]


def read_with_xml(data: bytes) -> tuple[Invoice, etree._Element | None]:
    """The invoice, and the XML it stands in (for the official rules), where it stands in XML."""
    invoice, root = _read(data)
    return bounds.within(invoice), root


def _read(data: bytes) -> tuple[Invoice, etree._Element | None]:
    kind = sniff(data)
    if kind == "xml":
        return read_xml(xml.unwrap(xml.parse(data)))
    if kind == "pdf":
        return _read_pdf(pdf.files(data))
    if kind == "json":
        return json.read(data), None
    if kind == "zip":
        container = archive.open_archive(data)
        if fapiao.is_ofd(container):
            return fapiao.parse_ofd(container), None
        if sheets.is_workbook(container):
            return sheets.only_row(sheets.workbook(data)), None
        if len(members := list(archive.files(container))) == 1:
            # China's tax bureau packs the XML of a fapiao so. What is in it is no archive again.
            content = archive.member(container, members[0])
            if sniff(content) != "zip":
                return _read(content)
    if kind == "text" and json.is_token(data):
        return json.read(data), None
    if kind == "text" and sheets.looks_like_one(data):
        return sheets.only_row(sheets.csv_rows(data)), None
    raise Unreadable(f"file-is-{kind}")


def sniff(data: bytes) -> str:
    """`xml`, `pdf`, `zip`, `json`, `text`, `empty` or `unknown`, from the first bytes."""
    head = data[:1024]
    if not head.strip(b" \t\r\n\0"):
        return "empty"
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    for mark in _BOMS:
        head = head.removeprefix(mark)
    start = head.replace(b"\0", b"").lstrip(b" \t\r\n")
    if start.startswith(b"<"):
        return "xml"
    if start.startswith((b"{", b"[")):
        return "json"
    # Spreadsheets save "Unicode text" as UTF-16, with its mark.
    return "text" if b"\0" not in head or data.startswith((b"\xff\xfe", b"\xfe\xff")) else "unknown"


def read_xml(root: etree._Element) -> tuple[Invoice, etree._Element]:
    """The invoice of a root element, by the element's own name."""
    if root.tag in (ubl.INVOICE, ubl.CREDIT_NOTE):
        return ubl.parse(root), root
    if xml.local(root) in cii.ROOTS or root.tag == cii.RELEASE_CANDIDATE:
        return cii.parse(root), root
    if xml.local(root) == fapiao.ROOT:
        return fapiao.parse(root), root
    if root.tag == fapiao.XBRL:
        return fapiao.parse_xbrl(root), root
    raise Unreadable("xml-is-no-invoice", root=xml.local(root)[:80])


def is_picture_only(data: bytes) -> bool:
    """Whether the file is a PDF in which no XML is embedded. Raises Unreadable as `pdf` does."""
    return sniff(data) == "pdf" and not pdf.xml_files(pdf.files(data))


def xml_of_pdf(data: bytes) -> etree._Element | None:
    """The XML a PDF is read by. Raises Unreadable as `read` does."""
    return _read_pdf(pdf.files(data))[1]


def _read_pdf(embedded: list[Attachment]) -> tuple[Invoice, etree._Element]:
    found: list[tuple[Attachment, Invoice, etree._Element]] = []
    refusal = Unreadable("pdf-without-data")
    for file in reversed(pdf.xml_files(embedded)):
        try:
            found.append((file, *read_xml(xml.unwrap(xml.parse(file.content or b"")))))
        except Unreadable as reason:
            refusal = reason
            if pdf.is_prescribed(file):
                found.clear()  # the invoice is this file, and it cannot be read
    if not found:
        raise refusal
    _, invoice, root = found.pop()
    issues = [
        Issue(code="pdf-holds-another", place="/", params={"name": (file.name or "-")[:100]})
        for file, other, _ in found
        if _claims(other) != _claims(invoice)
    ]
    return (
        replace(
            invoice,
            format=Format.FACTUR_X,
            attachments=(*invoice.attachments, *pdf.supporting(embedded)),
            issues=(*invoice.issues, *issues),
        ),
        root,
    )


def _claims(invoice: Invoice) -> tuple[object, ...]:
    """What two documents that are one invoice cannot differ in."""
    return invoice.number, invoice.issue_date, invoice.currency, invoice.totals.payable, invoice.seller.vat
