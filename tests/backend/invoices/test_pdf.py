"""Where in a PDF the invoice hangs, and what the programs that write such files make of it."""

import io
from collections.abc import Callable

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject, TextStringObject

from backend.invoices.reading import read
from tests.backend.invoices import samples

Hang = Callable[[PdfWriter, DictionaryObject], None]


def _specification(writer: PdfWriter, name: str | None) -> DictionaryObject:
    stream = StreamObject()
    stream.set_data(samples.CII)
    stream[NameObject("/Type")] = NameObject("/EmbeddedFile")
    found = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Filespec"),
            NameObject("/EF"): DictionaryObject({NameObject("/F"): writer._add_object(stream)}),
        }
    )
    if name is not None:
        found[NameObject("/F")] = TextStringObject(name)
    return found


def document(hang: Hang, name: str | None = "factur-x.xml", password: str | None = None) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width=200, height=200)
    hang(writer, _specification(writer, name))
    if password is not None:
        writer.encrypt(password, "owner", algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def associated(writer: PdfWriter, file: DictionaryObject) -> None:
    writer.root_object[NameObject("/AF")] = ArrayObject([writer._add_object(file)])


def in_the_tree(depth: int) -> Hang:
    def hang(writer: PdfWriter, file: DictionaryObject) -> None:
        names = ArrayObject([TextStringObject("a"), writer._add_object(file)])
        node = DictionaryObject({NameObject("/Names"): names})
        for _ in range(depth):
            node = DictionaryObject({NameObject("/Kids"): ArrayObject([writer._add_object(node)])})
        writer.root_object[NameObject("/Names")] = DictionaryObject({NameObject("/EmbeddedFiles"): node})

    return hang


def noted_on_the_page(writer: PdfWriter, file: DictionaryObject) -> None:
    note = DictionaryObject({NameObject("/Subtype"): NameObject("/FileAttachment"), NameObject("/FS"): file})
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(note)])


@pytest.mark.parametrize(
    "hang", [associated, in_the_tree(0), in_the_tree(1), in_the_tree(3), noted_on_the_page]
)
def test_wherever_it_hangs(hang: Hang) -> None:
    assert read(document(hang)).number == "ET-2026/0117"


@pytest.mark.parametrize("name", ["Rechnung März.XML", "invoice", "факту́ра.dat", None])
def test_whatever_it_is_called(name: str | None) -> None:
    assert read(document(associated, name)).number == "ET-2026/0117"


def test_a_tree_that_runs_in_a_circle_ends() -> None:
    def circle(writer: PdfWriter, file: DictionaryObject) -> None:
        node = DictionaryObject()
        reference = writer._add_object(node)
        node[NameObject("/Kids")] = ArrayObject([reference])
        writer.root_object[NameObject("/Names")] = DictionaryObject({NameObject("/EmbeddedFiles"): reference})
        associated(writer, file)

    assert read(document(circle)).number == "ET-2026/0117"


def test_a_password_that_only_keeps_from_printing() -> None:
    assert read(document(associated, password="")).number == "ET-2026/0117"


def test_the_last_of_several_savings_counts() -> None:
    """An incremental update (ISO 32000-2, 7.5.6) leaves the old file in place and says what is new."""
    old = document(associated)
    writer = PdfWriter(PdfReader(io.BytesIO(old)), incremental=True)
    stream = StreamObject()
    stream.set_data(samples.changed(samples.CII, ("ET-2026/0117", "ET-2026/0118")))
    file = writer.root_object["/AF"][0].get_object()  # type: ignore[index]
    file[NameObject("/EF")] = DictionaryObject({NameObject("/F"): writer._add_object(stream)})
    target = io.BytesIO()
    writer.write(target)

    assert target.getvalue().startswith(old[:100])
    assert read(target.getvalue()).number == "ET-2026/0118"


def test_what_is_no_invoice_is_passed_over() -> None:
    order = b'<Order xmlns="urn:example"><ID>PO-1</ID></Order>'

    assert read(samples.pdf({"a-order.xml": order, "b-invoice.xml": samples.CII})).number == "ET-2026/0117"
