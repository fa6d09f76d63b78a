"""`tallystick invoices read`: one JSON line a file, without network, chain or database."""

import json
import re
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from backend.invoices import commands
from backend.invoices.commands import app
from tests.backend.invoices import samples


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def run(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    result = CliRunner().invoke(app, ["read", *map(str, arguments), "--json", "--on", "2026-11-20"])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_one_line_a_file_with_everything_in_it() -> None:
    code, lines = run(samples.FOLDER)

    assert code == 0
    assert {Path(line["file"]).name for line in lines} >= {"tools-ubl.xml", "tools-cii.xml"}
    ubl = next(line for line in lines if line["file"].endswith("tools-ubl.xml"))
    assert {name: ubl[name] for name in ubl if name not in {"file", "validation", "financeable"}} == {
        "format": "ubl-invoice",
        "number": "ET-2026/0117",
        "type": "380",
        "issue_date": "2026-11-02",
        "due_date": "2027-01-31",
        "due_date_source": "stated",
        "currency": "EUR",
        "payable": 594941,
        "net": 499950,
        "tax": 94991,
        "gross": 594941,
        "prepaid": None,
        "seller": {"name": "Example Tools GmbH", "vat": "DE999999911", "registration": "HRB 999001"},
        "buyer": {"name": "Sample Machines AG", "vat": "DE888888885", "registration": None},
        "order": "PO-88120",
        "despatch": "DN-5530",
        "receipt": "GR-70418",
        "payee": None,
        "preceding": [],
    }
    assert ubl["validation"]["result"] == "valid"
    assert ubl["financeable"] == {"result": "yes", "reasons": []}


def test_exit_status_one_when_a_file_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(samples.UBL)
    (tmp_path / "b.xml").write_bytes(b"<html/>")

    code, lines = run(tmp_path, tmp_path / "gone.xml")

    assert code == 1
    assert lines[0]["number"] == "ET-2026/0117"
    assert lines[1]["error"]["code"] == "xml-is-no-invoice"
    assert lines[2]["error"] == {
        "code": "file-missing",
        "message": "The file cannot be opened: No such file or directory.",
    }


def test_sentences_in_chinese_and_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(samples.changed(samples.UBL, ("Code>380<", "Code>381<")))
    result = CliRunner().invoke(app, ["read", str(tmp_path), "--language", "zh", "--on", "2026-11-20"])

    assert "贷项通知单" in result.stdout
    assert re.search("可否融资 +no\n", result.stdout)
    assert re.search("应付金额 +5949.41 EUR\n", result.stdout)
    assert max(map(cell_len, result.stdout.splitlines()[1:])) <= 80


@pytest.mark.parametrize("option", [("--profile", "mars"), ("--language", "fr")])
def test_an_option_that_does_not_exist_says_which_do(option: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["read", str(samples.FOLDER), *option])

    assert result.exit_code == 2
    assert option[1] in result.stderr


def test_a_zip_and_a_sheet_give_a_line_for_each_invoice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "july.zip", "w") as archive:
        archive.writestr("a.xml", samples.UBL)
        archive.writestr("b.txt", "no invoice")
    head, row = (samples.FOLDER / "row.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text(f"{head}\n{row}\n{row.replace('ET-2026/0117', 'ET-2')}\n")

    code, lines = run(tmp_path)

    assert code == 1
    assert [Path(line["file"]).name for line in lines] == [
        "july.zip#a.xml",
        "july.zip#b.txt",
        "rows.csv#row 2",
        "rows.csv#row 3",
    ]
    assert [line.get("number") for line in lines] == ["ET-2026/0117", None, "ET-2026/0117", "ET-2"]


def test_a_json_list_gives_a_line_for_each_invoice(tmp_path: Path) -> None:
    one = json.loads((samples.FOLDER / "inv01.json").read_text())
    other = one | {"DocDtls": one["DocDtls"] | {"No": "ET/26-27/118"}}
    (tmp_path / "bulk.json").write_text(json.dumps([{"transaction": one}, other, {"a": 1}]))

    code, lines = run(tmp_path)

    assert code == 1
    assert [line.get("number") for line in lines] == ["ET/26-27/117", "ET/26-27/118", None]
    assert [line.get("payable") for line in lines[:2]] == [1316118, 1316118]
    assert lines[2]["file"].endswith("bulk.json#3.json")


def test_a_fault_of_our_own_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = commands.validate

    def faulty(invoice: Any, root: Any) -> Any:
        return real(invoice, root) if invoice.number != "BAD" else 1 // 0

    monkeypatch.setattr(commands, "validate", faulty)
    (tmp_path / "a.xml").write_bytes(samples.changed(samples.UBL, ("ET-2026/0117", "BAD")))
    (tmp_path / "b.xml").write_bytes(samples.UBL)

    code, lines = run(tmp_path)

    assert code == 1
    assert lines[0]["error"]["code"] == "reader-failed"
    assert "ZeroDivisionError" in lines[0]["error"]["message"]
    assert lines[1]["number"] == "ET-2026/0117"


def test_it_starts_without_what_only_some_files_need() -> None:
    script = "import sys, backend.invoices.commands; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert not {"pypdf", "openpyxl", "pydantic", "saxonche"} & set(done.stdout.split())


@pytest.mark.parametrize(
    "content", [b"number,date,currency,total\n", b"PK\x05\x06" + bytes(18)], ids=range(2)
)
def test_nothing_in_it_is_said_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "july").write_bytes(content)

    code, lines = run(tmp_path)

    assert (code, [line["error"]["code"] for line in lines]) == (1, ["batch-is-empty"])


def test_many_files_are_shared_out_and_stay_in_order(tmp_path: Path) -> None:
    for position in range(45):
        document = samples.changed(samples.UBL, ("ET-2026/0117", f"N-{position}"))
        (tmp_path / f"{position:03d}.xml").write_bytes(document)

    code, lines = run(tmp_path)

    assert code == 0
    assert [line["number"] for line in lines] == [f"N-{position}" for position in range(45)]
    assert {line["validation"]["result"] for line in lines} == {"valid"}
