"""Files that mean harm are refused with a sentence, quickly and in little memory."""

import resource
import time
from collections.abc import Iterator

import pytest

from backend.invoices.formats.errors import Unreadable
from backend.invoices.reading import read
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
