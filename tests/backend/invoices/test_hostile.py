"""Files that mean harm are refused with a sentence, quickly and in little memory."""

import io
import json
import re
import resource
import time
import zipfile
from collections.abc import Iterator
from datetime import date

import openpyxl
import pytest

from backend.invoices.formats import contents
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import DueDateSource
from backend.invoices.reading import read
from backend.invoices.validation.check import validate
from backend.invoices.validation.result import Outcome
from tests.backend.invoices import samples


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Each refusal takes at most two seconds of CPU and 200 MB more than before."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def refusal(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(data)
    assert caught.value.sentence("en")
    assert caught.value.sentence("zh")
    return caught.value.code


def with_doctype(doctype: str, note: str) -> bytes:
    return samples.changed(samples.UBL, ("?>", f"?>\n{doctype}"), ("Goods remain ours until paid.", note))


def test_external_entity_is_never_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    secret = tmp_path / "secret"
    secret.write_text("hidden words")
    document = with_doctype(f'<!DOCTYPE Invoice [<!ENTITY x SYSTEM "{secret.as_uri()}">]>', "&x;")

    assert refusal(document) == "xml-has-doctype"


def test_billion_laughs() -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))

    assert (
        refusal(with_doctype(f'<!DOCTYPE Invoice [<!ENTITY a0 "ha">{levels}]>', "&a9;")) == "xml-has-doctype"
    )


def test_quadratic_blow_up() -> None:
    document = with_doctype(f'<!DOCTYPE Invoice [<!ENTITY a "{"x" * 50_000}">]>', "&a;" * 20_000)

    assert refusal(document) == "xml-has-doctype"


def test_external_dtd_by_address_alone() -> None:
    assert (
        refusal(with_doctype('<!DOCTYPE Invoice SYSTEM "http://127.0.0.1:1/x.dtd">', "-"))
        == "xml-has-doctype"
    )


def test_a_doctype_in_utf_16_is_no_way_round() -> None:
    document = with_doctype('<!DOCTYPE Invoice [<!ENTITY a "b">]>', "&a;").decode().replace("UTF-8", "UTF-16")

    assert refusal(document.encode("utf-16")) == "xml-has-doctype"


def test_a_hundred_thousand_lines() -> None:
    head, rest = samples.UBL.split(b"  <cac:InvoiceLine>", 1)
    document = head + b"<cac:InvoiceLine><cbc:ID>1</cbc:ID></cac:InvoiceLine>" * 100_000 + b"</Invoice>"

    assert rest
    assert refusal(document) == "too-many-lines"


def test_more_tax_rates_than_anybody_has() -> None:
    head, rest = samples.UBL.split(b"    <cac:TaxSubtotal>", 1)
    rate = b"<cac:TaxSubtotal>" + rest.split(b"</cac:TaxSubtotal>", 1)[0] + b"</cac:TaxSubtotal>"

    assert refusal(head + rate * 201 + rest.split(b"</cac:TaxSubtotal>", 1)[1]) == "too-many-taxes"


def test_half_a_million_elements() -> None:
    assert refusal(b"<a>" + b"<b/>" * 500_001 + b"</a>") == "xml-too-many-elements"


def test_nesting_without_end() -> None:
    assert refusal(b"<a>" * 100_000) == "xml-broken"


def test_larger_than_the_limit() -> None:
    assert refusal(b"<a>" + b" " * 20_000_000 + b"</a>") == "xml-too-large"


@pytest.mark.parametrize("length", [300, 2_000, 5_000])
def test_cut_off(length: int) -> None:
    assert refusal(samples.UBL[:length]) == "xml-broken"


def test_an_encoding_it_does_not_have() -> None:
    document = samples.changed(samples.UBL, ("Torque wrench", "Schlüssel")).replace("ü".encode(), b"\xfc")

    assert refusal(document) == "xml-broken"


def test_an_encoding_that_does_not_exist() -> None:
    assert refusal(samples.changed(samples.UBL, ("UTF-8", "KLINGON-1"))) == "xml-broken"


@pytest.mark.parametrize("root", ["Order", "Invoice"])
def test_another_root_or_another_namespace(root: str) -> None:
    assert refusal(f'<{root} xmlns="urn:example:other"><ID>1</ID></{root}>'.encode()) == "xml-is-no-invoice"


def test_pdf_with_a_password() -> None:
    assert refusal(samples.pdf({"factur-x.xml": samples.CII}, password="guess me")) == "pdf-encrypted"


def test_pdf_without_data() -> None:
    assert refusal(samples.pdf({"terms.txt": b"all sales are final"})) == "pdf-without-data"


@pytest.mark.parametrize("length", [20, 400, 1_500])
def test_pdf_cut_off(length: int) -> None:
    assert refusal(samples.pdf({"factur-x.xml": samples.CII})[:length]) in {"pdf-broken", "pdf-without-data"}


def test_a_pdf_attachment_that_is_not_what_it_says() -> None:
    assert refusal(samples.pdf({"factur-x.xml": b"MZ\x90\0 this program cannot be run"})) == "xml-broken"


def test_a_pdf_attachment_that_swells() -> None:
    assert refusal(samples.pdf({"factur-x.xml": b"<a>" + b" " * 40_000_000})) in {
        "xml-too-large",
        "pdf-broken",
    }


def own_json(**fields: object) -> bytes:
    plain = {
        "number": "A-1",
        "issue_date": "2026-11-02",
        "currency": "EUR",
        "seller": {"name": "Example Tools GmbH"},
        "buyer": {"name": "Sample Machines AG"},
        "totals": {"payable": 100},
    }
    return json.dumps(plain | fields).encode()


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (samples.changed(samples.UBL, ("ET-2026/0117", "A1" * 4_000_000)), "value-too-long"),
        (samples.changed(samples.UBL, ("Goods remain ours until paid.", "so " * 20_000)), "value-too-long"),
        (own_json(number="A\0"), "value-not-text"),
        (own_json(seller={"name": "Example\x07"}), "value-not-text"),
        (samples.changed(samples.UBL, ("ET-2026/0117", "\u202e7110/6202-TE")), "value-turned"),
        (samples.changed(samples.UBL, ("Example Tools GmbH", "Example \u2066Tools\u2069")), "value-turned"),
        (own_json(totals={"payable": 10**90}), "value-too-large"),
        (own_json().replace(b": 100}", b": " + b"9" * 5_000 + b"}"), "json-malformed"),
        (own_json(lines=[{"quantity": "1E999999999"}]), "value-too-large"),
        (own_json(lines=[{"quantity": "1E-999999999"}]), "value-too-large"),
        (own_json(lines=[{"quantity": "NaN"}]), "json-malformed"),
        (own_json(lines=[{}] * 5_001), "too-many-lines"),
        (own_json(attachments=[{}] * 201), "too-many-attachments"),
        (own_json().replace(b'{"number"', b'{"number": "B", "number"'), "json-broken"),
    ],
)
def test_values_that_no_invoice_has(document: bytes, code: str) -> None:
    assert refusal(document) == code


def test_free_text_may_run_from_right_to_left() -> None:
    note = "\u2067البضاعة لنا\u2069"

    assert note in read(samples.changed(samples.UBL, ("Goods remain ours until paid.", note))).notes


def test_nobody_but_the_buyer_confirms_a_due_date() -> None:
    invoice = read(own_json(due={"day": "2027-01-31", "source": "confirmed"}))

    assert (invoice.due.day, invoice.due.source) == (date(2027, 1, 31), DueDateSource.STATED)


def test_a_currency_of_our_own_json_is_one_that_exists() -> None:
    assert read(own_json(currency="eur")).currency == "EUR"
    unknown = read(own_json(currency="EURO"))

    assert (unknown.currency, [issue.code for issue in unknown.issues]) == (None, ["currency-unknown"])


def test_a_workbook_that_says_its_last_row_is_the_millionth() -> None:
    row = '<row r="{0}"><c r="XFD{0}"><v>1</v></c></row>'
    target = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["invoice_no", "invoice_date", "currency", "gross_amount"])  # type: ignore[union-attr]
    book.save(target)
    packed = io.BytesIO()
    with zipfile.ZipFile(target) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            content = source.read(name).decode()
            if name.endswith("sheet1.xml"):
                content = re.sub('dimension ref="[^"]*"', 'dimension ref="A1:XFD1048576"', content)
                content = content.replace("</sheetData>", row.format(1_048_576) + "</sheetData>")
            copy.writestr(name, content)

    assert refusal(packed.getvalue()) == "sheet-too-many-rows"


def test_a_program_in_a_pdf_is_seen_and_a_drawing_let_be() -> None:
    drawing, program = {"plan.dwg": b"AC1032 drawing"}, {"plan.dwg": b"MZ\x90\0 this program"}

    assert read(samples.pdf({"factur-x.xml": samples.CII, **drawing})).attachments == ()
    (found,) = read(samples.pdf({"factur-x.xml": samples.CII, **program})).attachments
    assert contents.suspect(found) == "program"


def test_two_invoices_in_one_pdf_that_differ() -> None:
    other = samples.changed(samples.CII, ("ET-2026/0117", "ANOTHER"))
    both = read(samples.pdf({"factur-x.xml": samples.CII, "zugferd-invoice.xml": other}))
    same = read(samples.pdf({"factur-x.xml": samples.CII, "zugferd-invoice.xml": samples.CII}))

    assert [issue.code for issue in both.issues] == ["pdf-holds-another"]
    assert validate(both, None).outcome is Outcome.INVALID
    assert same.issues == ()
