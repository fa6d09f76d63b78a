"""E-fapiao, OFD, INV-01, our own JSON, CSV and XLSX: what each says, and what they cannot do to us."""

import base64
import io
import json
import zipfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from backend.invoices import codec, identity
from backend.invoices.formats import archive, sheets, tokens
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import DueDateSource, Format, Identifier
from backend.invoices.reading import read
from backend.invoices.validation.check import validate
from backend.invoices.validation.result import Outcome
from tests.backend.invoices import samples

FAPIAO = (samples.FOLDER / "fapiao.xml").read_bytes()
INV_01 = (samples.FOLDER / "inv01.json").read_bytes()
CSV = (samples.FOLDER / "row.csv").read_bytes()
OLD_FAPIAO = """<eInvoice xmlns="http://www.edrm.org.cn/schema/e-invoice/2019">
  <InvoiceCode>011999999911</InvoiceCode><InvoiceNo>00000117</InvoiceNo><IssueDate>2026年11月02日</IssueDate>
  <Buyer><BuyerName>样本机械有限公司</BuyerName><BuyerTaxID>91999999MA0000001H</BuyerTaxID></Buyer>
  <Seller><SellerName>示例工具有限公司</SellerName><SellerTaxID>91999999MA0000000K</SellerTaxID></Seller>
  <TaxExclusiveTotalAmount>-1200.00</TaxExclusiveTotalAmount><TaxTotalAmount>-156.00</TaxTotalAmount>
  <TaxInclusiveTotalAmount>-1356.00</TaxInclusiveTotalAmount>
  <OriginalInvoiceCode>011999999911</OriginalInvoiceCode><OriginalInvoiceNo>00000116</OriginalInvoiceNo>
  <GoodsInfos><GoodsInfo><Item>扭力扳手</Item><Quantity>-10</Quantity><Price>120</Price>
  <Amount>-1200.00</Amount></GoodsInfo></GoodsInfos></eInvoice>"""
XBRL = """<xbrli:xbrl xmlns:xbrli="http://www.xbrl.org/2003/instance" xmlns:i="urn:example:inv_ord_issuer">
  <i:NumberOfInvoice contextRef="c">26990000000000000117</i:NumberOfInvoice>
  <i:DateOfIssue contextRef="c">2026-11-02</i:DateOfIssue>
  <i:NameOfSeller contextRef="c">示例工具有限公司</i:NameOfSeller>
  <i:TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfSeller contextRef="c"
    >91999999MA0000000K</i:TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfSeller>
  <i:TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfPurchaser contextRef="c"
    >91999999MA0000001H</i:TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfPurchaser>
  <i:TotalAmountExcludingTax unitRef="CNY">1200.00</i:TotalAmountExcludingTax>
  <i:TotalTaxAmount unitRef="CNY">156.00</i:TotalTaxAmount>
  <i:TaxIncludedAmountInFigures unitRef="CNY">1356.00</i:TaxIncludedAmountInFigures>
  <i:InformationOfTaxableGoodsOrServicesDetailItemsTuple>
    <i:NameOfTaxableGoodsOrServices>扭力扳手</i:NameOfTaxableGoodsOrServices>
    <i:AmountExcludingTax>1200.00</i:AmountExcludingTax>
  </i:InformationOfTaxableGoodsOrServicesDetailItemsTuple></xbrli:xbrl>"""
OFD_XML = """<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo><ofd:CustomDatas>
  %s</ofd:CustomDatas></ofd:DocInfo></ofd:DocBody></ofd:OFD>"""
DATA = {
    "发票号码": "26990000000000000117",
    "开票日期": "2026年11月02日",
    "销售方纳税人识别号": "91999999MA0000000K",
    "购买方纳税人识别号": "91999999MA0000001H",
    "合计金额": "1200.00",
    "合计税额": "156.00",
}


def packed(members: dict[str, bytes | str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as container:
        for name, content in members.items():
            container.writestr(name, content)
    return target.getvalue()


def ofd(members: dict[str, bytes | str] | None = None, data: dict[str, str] | None = None) -> bytes:
    line = '<ofd:CustomData Name="{}">{}</ofd:CustomData>'
    entries = "".join(line.format(*entry) for entry in (data or {}).items())
    return packed({"OFD.xml": OFD_XML % entries} | (members or {}))


def refused(document: bytes) -> str:
    with pytest.raises(Unreadable) as refusal:
        read(document)
    assert refusal.value.sentence("en") != refusal.value.sentence("zh")
    return refusal.value.code


def test_fapiao_as_the_tax_bureau_writes_it() -> None:
    invoice = read(FAPIAO)

    assert invoice.format is Format.FAPIAO_XML
    assert (invoice.number, invoice.type, invoice.currency) == ("26990000000000000117", "380", "CNY")
    assert invoice.issue_date == date(2026, 11, 2)
    assert (invoice.totals.payable, invoice.totals.tax) == (135600, 15600)
    assert invoice.seller.tax == (Identifier("91999999MA0000000K", "USCC"),)
    assert invoice.due.source is DueDateSource.TO_BE_CONFIRMED
    assert (invoice.lines[0].quantity, invoice.lines[0].net) == (Decimal(10), Decimal("1200.00"))
    assert invoice.issues == ()


def test_a_tax_that_is_not_shown_is_no_number() -> None:
    document = FAPIAO.replace(b">156.00</TotalTaxAm", b">***</TotalTaxAm").replace(
        b"<TotalTax-includedAmount>1356.00</TotalTax-includedAmount>", b""
    )

    assert (read(document).totals.tax, read(document).totals.payable) == (None, 120000)
    assert read(document).issues == ()


@pytest.mark.parametrize(
    "document",
    [ofd({"Doc_0/Attachs/fp.xml": FAPIAO}), ofd(data=DATA)],
    ids=["attached", "custom-data"],
)
def test_an_ofd_is_the_same_fapiao(document: bytes) -> None:
    invoice, plain = read(document), read(FAPIAO)

    assert invoice.format is Format.FAPIAO_OFD
    assert (invoice.number, invoice.issue_date, invoice.totals.payable) == (
        plain.number,
        plain.issue_date,
        plain.totals.payable,
    )
    assert identity.identities(invoice, ["x"]) == identity.identities(plain, ["x"])


def test_a_voucher_in_xbrl_alone_or_in_an_ofd() -> None:
    plain = read(FAPIAO)
    alone, inside = read(XBRL.encode()), read(ofd({"Doc_0/Attachs/inv_ord_issuer_1.xbrl": XBRL}))

    assert (alone.format, inside.format) == (Format.FAPIAO_XML, Format.FAPIAO_OFD)
    for invoice in (alone, inside):
        assert (invoice.issue_date, invoice.totals) == (plain.issue_date, plain.totals)
        assert (invoice.seller, invoice.buyer.tax) == (plain.seller, plain.buyer.tax)
        assert identity.identities(invoice, ["x"]) == identity.identities(plain, ["x"])
        assert (invoice.lines[0].name, invoice.lines[0].net) == ("扭力扳手", Decimal("1200.00"))
    assert refused(XBRL.replace("OfInvoice", "OfReceipt").encode()) == "xbrl-is-no-invoice"


def test_one_fapiao_in_a_zip_is_that_fapiao() -> None:
    assert read(packed({"26990000000000000117.xml": FAPIAO})) == read(FAPIAO)


def test_a_red_letter_fapiao_is_a_credit_note_of_the_one_it_names() -> None:
    invoice = read(ofd({"Doc_0/Attachs/original_invoice.xml": OLD_FAPIAO}))

    assert (invoice.number, invoice.type, invoice.totals.payable) == ("01199999991100000117", "381", -135600)
    assert invoice.references.preceding[0].number == "01199999991100000116"
    assert identity.document_class(invoice) == "CN"


def test_an_ofd_whose_tags_point_at_the_page() -> None:
    """GB/T 33190-2016, clause 16; a value may stand on the page in parts, and amounts with their sign."""
    shown = {
        "11": "2699000000",
        "12": "0000000117",
        "13": "2026年11月02日",
        "14": "示例工具有限公司",
        "15": "91999999MA0000000K",
        "16": "样本机械有限公司",
        "17": "¥1200.00",
        "18": "¥1356.00",
    }
    tags = (
        "<o:InvoiceNo>{}{}</o:InvoiceNo><o:IssueDate>{}</o:IssueDate><o:Seller><o:SellerName>{}</o:SellerName>"
        "<o:SellerTaxID>{}</o:SellerTaxID></o:Seller><o:Buyer><o:BuyerName>{}</o:BuyerName></o:Buyer>"
        "<o:TaxExclusiveTotalAmount>{}</o:TaxExclusiveTotalAmount>"
        "<o:TaxInclusiveTotalAmount>{}</o:TaxInclusiveTotalAmount>"
    ).format(*(f'<o:ObjectRef PageRef="1">{number}</o:ObjectRef>' for number in shown))
    texts = "".join(
        f'<o:TextObject ID="{number}"><o:TextCode>{words}</o:TextCode></o:TextObject>'
        for number, words in shown.items()
    )
    space = 'xmlns:o="http://www.ofdspec.org/2016"'
    document = ofd(
        {
            "Doc_0/Tags/CustomTag.xml": f"<o:eInvoice {space}>{tags}</o:eInvoice>",
            "Doc_0/Pages/Page_0/Content.xml": f"<o:Page {space}>{texts}</o:Page>",
        },
        data={"购买方纳税人识别号": "91999999MA0000001H"},
    )
    invoice = read(document)

    assert (invoice.number, invoice.issue_date) == ("26990000000000000117", date(2026, 11, 2))
    assert (invoice.seller.name, invoice.seller.vat) == ("示例工具有限公司", "91999999MA0000000K")
    assert (invoice.buyer.name, invoice.buyer.vat) == ("样本机械有限公司", "91999999MA0000001H")
    assert (invoice.totals.net, invoice.totals.payable) == (120_000, 135_600)


def test_an_ofd_without_data_says_so() -> None:
    assert refused(ofd()) == "ofd-without-data"


def test_inv_01() -> None:
    invoice = read(INV_01)

    assert (invoice.format, invoice.number, invoice.type) == (Format.INV_01, "ET/26-27/117", "380")
    assert (invoice.issue_date, invoice.currency) == (date(2026, 11, 2), "INR")
    assert (invoice.totals.gross, invoice.totals.prepaid) == (1416118, 100000)
    assert invoice.totals.payable == 1316118
    assert (invoice.due.day, invoice.due.source) == (date(2026, 12, 17), DueDateSource.DERIVED)
    assert (invoice.references.order, invoice.references.receipt) == ("PO-88120", "GR-7")
    assert invoice.seller.tax == (Identifier("29AAAAA0000A1Z5", "GSTIN"),)
    assert invoice.lines[0].price == Decimal("1200.10")


def token(document: bytes) -> str:
    """As the registration portal signs: header, claims with the document as text, signature."""
    claims = json.dumps({"iss": "NIC", "data": document.decode()}).encode()
    parts = (b'{"alg":"RS256"}', claims, b"no signature is checked")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_inv_01_as_the_portal_signs_it() -> None:
    answer = {"Status": "ACT", "SignedInvoice": token(INV_01), "SignedQRCode": token(b"{}")}

    for document in (token(INV_01), json.dumps(answer)):
        signed = read(document.encode())
        assert replace(signed, signature=None) == read(INV_01)
        assert signed.signature == "not-checked"
        assert "signature-not-checked" in {finding.code for finding in validate(signed, None).findings}
    assert read(json.dumps([{"transaction": json.loads(INV_01)}]).encode()) == read(INV_01)


def signed_by(key: RSAPrivateKey, header: bytes = b'{"alg":"RS256","typ":"JWT"}') -> bytes:
    claims = json.dumps({"iss": "NIC", "data": INV_01.decode()}).encode()
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims))
    mark = base64.urlsafe_b64encode(key.sign(signed, PKCS1v15(), SHA256())).rstrip(b"=")
    return signed + b"." + mark


def test_a_portals_signature_counts_where_the_operator_knows_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal, forger = (generate_private_key(65537, 2048) for _ in range(2))
    file = tmp_path / "portal.pem"
    file.write_bytes(portal.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    monkeypatch.setattr(tokens.Portals, "keys", {})
    tokens.trust([file])

    assert str(read(signed_by(portal)).signature).startswith("verified ")
    assert validate(read(signed_by(portal)), None).outcome is Outcome.NOT_APPLICABLE
    head, _, mark = signed_by(portal).rpartition(b".")
    changed = base64.urlsafe_b64encode(INV_01.replace(b"1200.1", b"9200.1")).rstrip(b"=")
    for forged in (
        signed_by(forger),
        signed_by(portal, b'{"alg":"HS256"}'),
        b".".join((head.split(b".")[0], changed, mark)),
        head + b".",
    ):
        assert read(forged).signature == "wrong"
        assert validate(read(forged), None).outcome is Outcome.INVALID
    assert read(INV_01).signature is None
    assert read(json.dumps(codec.dump(read(signed_by(portal)))).encode()).signature is None


def test_a_key_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "portal.pem"
    file.write_text("no key")

    with pytest.raises(tokens.KeyFileError, match=r"portal\.pem"):
        tokens.trust([file])


def test_the_qr_code_of_a_registered_invoice() -> None:
    whole = read(INV_01)
    code = {
        "SellerGstin": "29AAAAA0000A1Z5", "BuyerGstin": "27BBBBB0000B1Z3", "DocNo": "ET/26-27/117",
        "DocTyp": "INV", "DocDt": "02/11/2026", "TotInvVal": 14161.18, "Irn": "0" * 61 + "117",
    }  # fmt: skip
    invoice = read(token(json.dumps(code).encode()).encode())

    assert (invoice.format, invoice.totals.gross) == (Format.INV_01, whole.totals.gross)
    assert (invoice.registry_number, invoice.type) == (whole.registry_number, whole.type)
    assert (invoice.seller.tax, invoice.buyer.tax) == (whole.seller.tax, whole.buyer.tax)
    assert identity.identities(invoice, ["x"]) == identity.identities(whole, ["x"])


def test_a_token_that_says_nothing_is_refused() -> None:
    assert refused(b"eyJhbGciOiJub25lIn0.eyJ4Ijox.x") == "json-broken"
    assert refused(token(b"{}").encode()) == "file-is-json"


def test_our_own_json_goes_out_and_comes_back() -> None:
    invoice = read(samples.UBL)
    again = read(json.dumps(codec.dump(invoice)).encode())

    assert again.format is Format.JSON
    assert codec.dump(again) == codec.dump(invoice) | {"format": "json", "issues": []}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b'{"a": 1, "a": 2}', "json-broken"),
        (b'{"a": NaN}', "json-broken"),
        (b"[" * 100_000, "json-broken"),
        (b'{"a": 1}', "file-is-json"),
        (b'{"number": 5, "seller": {}, "buyer": {}, "totals": {}}', "json-malformed"),
        (b'{"a": "' + b"x" * 5_000_001 + b'"}', "json-too-large"),
    ],
    ids=range(6),
)
def test_json_that_is_no_invoice(document: bytes, code: str) -> None:
    assert refused(document) == code


def test_a_row_of_a_sheet() -> None:
    invoice = read(CSV)

    assert (invoice.format, invoice.number) == (Format.CSV, "ET-2026/0117")
    assert (invoice.totals.payable, invoice.due.day) == (594941, date(2027, 1, 31))
    assert (invoice.seller.vat, invoice.buyer.vat) == ("DE999999911", "DE888888885")
    assert identity.identities(invoice, ["x"]) == identity.identities(read(samples.UBL), ["x"])


def test_the_headings_of_a_bank_and_of_a_chinese_ledger() -> None:
    bank = b"INVOICE_NO;INVOICE_DATE;INVOICE_DUE_DATE;CURRENCY;NET_INV_AMOUNT\n"
    bank += b"A-1;02.11.2026;31.01.2027;EUR;5.949,41\n"
    ledger = "发票号码,开票日期,币种,价税合计,销售方名称\n"
    ledger += 'A-1,2026/11/02,CNY,"1,356.00",示例\n'

    assert (read(bank).totals.payable, read(bank).due.day) == (594941, date(2027, 1, 31))
    assert (read(ledger.encode("gb18030")).totals.payable, read(ledger.encode("gb18030")).seller.name) == (
        135600,
        "示例",
    )


def workbook(*rows: list[object]) -> bytes:
    book, target = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(target)
    return target.getvalue()


def test_a_workbook_is_read_like_a_text() -> None:
    document = workbook(
        ["Invoice number", "Issue date", "Currency", "Gross", "Terms"],
        [117, date(2026, 11, 2), "EUR", 5949.41, "30 days net"],
    )
    invoice = read(document)

    assert (invoice.format, invoice.number, invoice.totals.payable) == (Format.XLSX, "117", 594941)
    assert (invoice.due.day, invoice.due.source) == (date(2026, 12, 2), DueDateSource.DERIVED)


def test_a_row_that_cannot_be_read_spares_the_others() -> None:
    text = b"number,date,currency,total\nA-1,2026-11-02,EUR,10\n,2026-11-02,EUR,10\nA-3,03/04/2026,EUR,10\n"
    rows = list(sheets.csv_rows(text))

    assert [row.position for row in rows] == [2, 3, 4]
    assert rows[0].invoice is not None
    assert rows[1].refusal is not None
    assert rows[1].refusal.sentence("en") == "The row lacks: invoice_no."
    assert rows[2].invoice is not None
    assert {issue.place for issue in rows[2].invoice.issues} == {"BT-2"}


def test_the_template_is_a_sheet_we_read() -> None:
    assert refused(sheets.template().encode()) == "sheet-is-empty"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"number,date\nA,2026-01-01\n", "file-is-text"),
        (b"number,date,currency\nA,2026-01-01,EUR\nB,2026-01-01,EUR\n", "sheet-has-many"),
        (workbook(["number", "x"], ["A", 1]), "sheet-headings"),
        (packed({"xl/workbook.xml": "<broken"}), "sheet-broken"),
        (packed({"xl/workbook.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a/>'}), "xml-has-doctype"),
    ],
    ids=range(5),
)
def test_sheets_that_are_none(document: bytes, code: str) -> None:
    assert refused(document) == code


def test_a_gigabyte_of_zeros_in_a_zip() -> None:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as container,
        container.open("OFD.xml", "w", force_zip64=True) as stream,
    ):
        for _ in range(1_024):
            stream.write(bytes(1 << 20))

    assert refused(target.getvalue()) == "zip-swells"


def test_a_zip_that_lies_about_its_size() -> None:
    document = bytearray(packed({"OFD.xml": bytes(60_000_000)}))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = document.find(signature) + place
        document[start : start + 4] = (1_000).to_bytes(4, "little")

    assert refused(bytes(document)) in {"zip-swells", "zip-broken"}


def test_archives_that_are_broken_locked_or_crowded() -> None:
    whole = packed({"OFD.xml": "<a/>"})
    locked = bytearray(whole)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.find(signature) + place] |= 1

    assert refused(whole[:40]) == "zip-broken"
    assert refused(bytes(locked)) == "zip-encrypted"
    assert refused(packed({f"{n}.xml": "" for n in range(archive.MAX_MEMBERS + 1)})) == "zip-too-many"
    assert refused(packed({"inner.zip": packed({"a.xml": samples.UBL})})) == "file-is-zip"


def test_an_entity_inside_an_ofd() -> None:
    document = ofd({"Doc_0/Attachs/original_invoice.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'})

    assert refused(document) == "xml-has-doctype"
