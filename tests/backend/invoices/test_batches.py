"""Many at once, by hand, scanned, and out again."""

import asyncio
import base64
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace

import openpyxl
import pytest
from sqlalchemy import select

from backend.invoices import bundles, codec, exports, intake
from backend.invoices.batches import Steward
from backend.invoices.model import Format
from backend.invoices.reading import read
from backend.invoices.scanner import ScannerUnavailable
from backend.kit.notices import Notice
from backend.kit.settings import load
from tests.backend.invoices import samples
from tests.backend.invoices.conftest import Shop
from tests.backend.invoices.test_formats import CSV, packed


async def opened(shop: Shop, content: bytes) -> str:
    answer = await shop.seller.post("/v1/invoice-batches", content=content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["links"]["self"])


def steward(shop: Shop, clamd: str | None = None) -> Steward:
    world = shop.world
    return Steward(world.database, world.ledger_id, lambda: world.app.state.invoice_secrets, clamd)


def numbered(number: str) -> bytes:
    return samples.changed(samples.UBL, ("ET-2026/0117", number))


async def test_a_zip_with_progress_and_a_report_row_by_row(shop: Shop) -> None:
    members: dict[str, bytes | str] = {f"july/{n:02d}.xml": numbered(f"B-{n}") for n in range(23)}
    members |= {
        "july/again.xml": numbered("b 1"),
        "readme.txt": "hello",
        "inner.zip": packed({"a.xml": samples.UBL}),
        "__MACOSX/._a": "litter",
    }
    place = await opened(shop, packed(members))
    assert await steward(shop).step()
    first = (await shop.seller.get(place)).json()
    assert await steward(shop).step()
    done = (await shop.seller.get(place)).json()

    assert not await steward(shop).step()
    assert (first["total"], first["waiting"], first["taken"]) == (26, 6, 20)
    assert (done["waiting"], done["taken"], done["refused"]) == (0, 23, 3)
    report = (await shop.seller.get(f"{place}/report", headers={"Accept-Language": "zh"})).json()
    refused = {row["name"]: row["problem"] for row in report if row["state"] == "refused"}
    assert refused == {
        "again.xml": "invoice-known",
        "readme.txt": "invoice-unreadable",
        "inner.zip": "invoice-unreadable",
    }
    assert all("一" <= row["detail"][0] <= "鿿" for row in report if row["detail"])
    assert len((await shop.seller.get("/v1/invoices")).json()["items"]) == 23
    assert (await shop.seller.get(f"{place}/report?format=csv")).text.count("\n") == 27
    assert (await shop.stranger.get(place)).status_code == 404
    async with shop.world.database.reading() as session:
        (notice,) = await session.scalars(select(Notice))
    assert (notice.type, notice.party_id) == ("invoice-batch.finished", shop.seller.party_id)
    assert (notice.data["taken"], notice.data["refused"]) == (23, 3)


async def test_a_sheet_one_invoice_a_row(shop: Shop) -> None:
    head, row = CSV.decode().splitlines()
    rows = [head, row, row.replace("ET-2026/0117", "ET-5"), row.replace("ET-2026/0117", "")]
    place = await opened(shop, "\n".join(rows).encode())
    await steward(shop).step()
    done = (await shop.seller.get(place)).json()

    assert (done["taken"], done["refused"]) == (2, 1)
    report = (await shop.seller.get(f"{place}/report")).json()
    assert [row["name"] for row in report] == ["row 2", "row 3", "row 4"]
    assert report[2]["detail"] == "The row lacks: invoice_no."


async def test_the_workbook_to_fill_in_reads_back_as_it_was_typed(shop: Shop) -> None:
    template = (await shop.seller.get("/v1/invoice-template?format=xlsx")).content
    book = openpyxl.load_workbook(io.BytesIO(template))
    sheet = book.worksheets[0]
    typed = dict(next(csv.DictReader(io.StringIO(CSV.decode()))))
    headings = [cell.value for cell in sheet[1]]
    sheet.append([typed.get(str(name), "") for name in headings])
    assert {sheet.column_dimensions[cell.column_letter].number_format for cell in sheet[1]} == {"@"}
    filled = io.BytesIO()
    book.save(filled)

    assert replace(read(filled.getvalue()), format=Format.CSV) == read(CSV)


async def test_two_workers_and_a_fault_take_each_entry_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = intake.read

    async def faulty(data: bytes) -> intake.Read:
        return await real(data) if b"B-3" not in data else 1 // 0

    monkeypatch.setattr(intake, "read", faulty)
    place = await opened(shop, packed({f"{n}.xml": numbered(f"B-{n}") for n in range(8)}))
    await asyncio.gather(*(steward(shop).step() for _ in range(3)))
    done = (await shop.seller.get(place)).json()
    report = (await shop.seller.get(f"{place}/report")).json()

    assert (done["waiting"], done["taken"], done["refused"]) == (0, 7, 1)
    assert "ZeroDivisionError" in report[3]["detail"]


async def test_a_batch_waits_for_the_scanner(shop: Shop, clamd: list[bytes]) -> None:
    place = await opened(shop, packed({"a.xml": samples.UBL, "b.xml": numbered("B-virus")}))
    with pytest.raises(ScannerUnavailable):
        await steward(shop, "127.0.0.1:1").step()
    assert (await shop.seller.get(place)).json()["waiting"] == 2

    await steward(shop, shop.world.app.state.settings.clamd).step()
    report = (await shop.seller.get(f"{place}/report")).json()

    assert [row["problem"] for row in report] == [None, "document-infected"]
    taken = (await shop.seller.get(f"/v1/invoices/{report[0]['invoice_id']}")).json()
    assert taken["document"]["scan"] == "clean"


@pytest.mark.parametrize(
    ("media_type", "content", "reason"),
    [
        ("application/pdf", b"MZ\x90\0", "attachment-program"),
        ("application/pdf", b"<html>", "attachment-not-what-it-says"),
        ("text/html", b"<html>", "attachment-not-allowed"),
    ],
)
async def test_an_attachment_that_lies_is_refused_with_its_invoice(
    shop: Shop, media_type: str, content: bytes, reason: str
) -> None:
    encoded = base64.b64encode(content).decode()
    attached = (
        "<cac:AdditionalDocumentReference><cbc:ID>A</cbc:ID><cac:Attachment>"
        f'<cbc:EmbeddedDocumentBinaryObject mimeCode="{media_type}" filename="terms.pdf">{encoded}'
        "</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"
    )
    start = "  <cac:AccountingSupplierParty>"
    answer = await shop.bring(samples.changed(samples.UBL, (start, attached + start)))

    assert (answer.status_code, answer.json()["reason"]) == (422, reason)
    assert "terms.pdf" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(samples.UBL, "batch-is-no-archive"), (packed({}), "batch-is-empty"), (b"PK\x03\x04", "zip-broken")],
    ids=range(3),
)
async def test_what_is_no_batch(shop: Shop, content: bytes, reason: str) -> None:
    answer = await shop.seller.post("/v1/invoice-batches", content=content)

    assert (answer.status_code, answer.json()["reason"]) == (422, reason)


async def test_a_picture_is_entered_by_hand_and_marked_so(shop: Shop) -> None:
    fields = json.dumps(codec.dump(read(samples.UBL)))
    picture = samples.pdf({})
    file = {"file": ("scan.pdf", picture, "application/pdf")}
    answer = await shop.seller.post("/v1/invoices", files=file, data={"fields": fields})
    body = answer.json()

    assert answer.status_code == 201
    assert (body["format"], body["number"], body["validation"]["result"]) == (
        "pdf",
        "ET-2026/0117",
        "not-applicable",
    )
    assert {"rule": "unstructured", "effect": "hold"}.items() <= body["financeable"]["reasons"][0].items()
    assert (await shop.seller.get(body["links"]["document"])).content == picture
    assert (await shop.bring()).status_code == 409


async def test_what_can_be_read_is_not_entered_by_hand(shop: Shop) -> None:
    for content in (samples.UBL, samples.pdf({"factur-x.xml": samples.CII})):
        file = {"file": ("a", content, "application/pdf")}
        answer = await shop.seller.post("/v1/invoices", files=file, data={"fields": "{}"})
        assert answer.json()["reason"] == "manual-needs-picture"


def test_two_files_of_one_name_are_two() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.xml", b"<one/>")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.xml", b"<two/>")

    assert [entry.content for entry in bundles.unpack(target.getvalue())] == [b"<one/>", b"<two/>"]


@pytest.fixture
async def clamd(shop: Shop) -> AsyncIterator[list[bytes]]:
    """A scanner that speaks INSTREAM and finds the word "virus"; gives what it was sent."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        content = b""
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(size)
        seen.append(content)
        writer.write(b"stream: Test-Virus FOUND\0" if b"virus" in content else b"stream: OK\0")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    shop.world.app.state.settings = load({"TALLYSTICK_CLAMD": f"127.0.0.1:{port}"})
    yield seen
    server.close()
    await server.wait_closed()


async def test_with_a_scanner_it_says_clean_or_is_refused(shop: Shop, clamd: list[bytes]) -> None:
    assert (await shop.bring()).json()["document"]["scan"] == "clean"
    assert clamd == [samples.UBL]
    infected = await shop.bring(samples.changed(samples.UBL, ("Goods remain ours", "virus"), ("ET-", "EV-")))

    assert infected.status_code == 422
    assert "Test-Virus" in infected.json()["detail"]


async def test_a_scanner_sees_what_is_embedded_too(shop: Shop, clamd: list[bytes]) -> None:
    content = base64.b64encode(b"%PDF-1.7 virus").decode()
    attachment = (
        "<cac:AdditionalDocumentReference><cbc:ID>T-1</cbc:ID><cac:Attachment>"
        '<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="t.pdf">'
        f"{content}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"
        "<cac:AccountingSupplierParty>"
    )
    infected = await shop.bring(samples.changed(samples.UBL, ("<cac:AccountingSupplierParty>", attachment)))

    assert infected.status_code == 422
    assert "Test-Virus" in infected.json()["detail"]
    assert clamd[-1] == b"%PDF-1.7 virus"


async def test_a_scanner_that_does_not_answer_lets_nothing_through(shop: Shop) -> None:
    shop.world.app.state.settings = load({"TALLYSTICK_CLAMD": "127.0.0.1:1"})
    answer = await shop.bring()

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:tallystick:problem:scanner-unavailable"
    assert (await shop.seller.get("/v1/invoices")).json()["items"] == []


async def test_out_again_as_data_sheet_and_journal(shop: Shop) -> None:
    await shop.bring()
    data = (await shop.seller.get("/v1/invoice-export?format=json")).json()
    rows = list(csv.DictReader(io.StringIO((await shop.seller.get("/v1/invoice-export")).text)))
    book = openpyxl.load_workbook(
        io.BytesIO((await shop.seller.get("/v1/invoice-export?format=xlsx")).content)
    )
    journal = list(
        csv.DictReader(io.StringIO((await shop.seller.get("/v1/invoice-export?format=journal")).text))
    )

    assert data[0]["totals"]["payable"] == 594941
    assert (rows[0]["number"], rows[0]["payable"]) == ("ET-2026/0117", "5949.41")
    assert [cell.value for cell in next(book.worksheets[0].iter_rows(min_row=1))] == list(exports.HEADINGS)
    assert [(row["debit"], row["credit"]) for row in journal] == [
        ("5949.41", ""),
        ("", "4999.50"),
        ("", "949.91"),
    ]
    assert (await shop.buyer.get("/v1/invoice-export?format=journal")).text.count("\n") == 1
    assert (await shop.seller.get("/v1/invoice-template")).text.startswith("invoice_no,invoice_date")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-5.20", "-5.20"),
        ("-a", "'-a"),
        (None, ""),
        ("plain", "plain"),
        ("＝1+1", "'＝1+1"),
        ("\n=1+1", "'\n'=1+1"),
        ("A;=1+1", "A;'=1+1"),
        ("A\t @x", "A\t '@x"),
        ("bell\x07", "bell"),
        ("A-1; B-2", "A-1; B-2"),
    ],
)
def test_no_cell_acts_on_the_reader(text: str | None, safe: str) -> None:
    assert exports.safe_cell(text) == safe
