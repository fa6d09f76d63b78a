"""`tallystick invoices …`: reading invoices on one's own machine. No network, no chain, no database."""

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import set_cell_size
from rich.console import Console
from rich.progress import track
from rich.text import Text

from backend.invoices import amounts, bundles, summary
from backend.invoices.bundles import Entry
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import PROFILES, Facts, judge
from backend.invoices.model import Invoice
from backend.invoices.reading import read_with_xml
from backend.invoices.validation.check import validate
from backend.invoices.validation.schematron import RulesUnavailableError
from backend.kit import clock, messages
from backend.kit.messages import LOCALES, Locale

MAX_BYTES = 100_000_000
_WORTH_SHARING = 40
_WIDTH, _LABEL = 80, 22
_SCREEN = Console(width=_WIDTH)
Work = Callable[[Path], list[dict[str, Any]]]
Reader = Callable[[], tuple[Invoice, Any]]

app = typer.Typer(name="invoices", help="Read and check invoice files on this machine.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Read and check invoice files on this machine."""


@app.command()
def read(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with everything in them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, one line a file or row.")
    ] = False,
    profile: Annotated[str, typer.Option(help="Rules of the place: default, eu, cn or in.")] = "default",
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Judge as of this day instead of today.")
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the sentences: en or zh.")] = "en",
) -> None:
    """Print what each file says, whether it is valid, and whether it may be financed.

    Exit status 0 if every file could be read, 1 if not.
    """
    if profile not in PROFILES:
        raise typer.BadParameter(f"there is no profile {profile!r}; take one of {', '.join(PROFILES)}")
    if language not in LOCALES:
        raise typer.BadParameter(f"there is no language {language!r}; take one of {', '.join(LOCALES)}")
    today = on.date() if on else clock.now().date()
    files = [file for path in paths for file in _files(path)]
    is_watched = len(files) > 1 and sys.stderr.isatty()
    failed = False
    with ExitStack() as stack:
        found = _in_order(files, partial(_entries, profile=profile, today=today, locale=language), stack)
        shown = track(found, "Reading", len(files), console=Console(stderr=True), disable=not is_watched)
        for entry in (entry for entries in shown for entry in entries):
            failed = failed or "error" in entry
            typer.echo(json.dumps(entry, ensure_ascii=False) if as_json else _words(entry, language))
    raise typer.Exit(1 if failed or not files else 0)


def _in_order(files: list[Path], work: Work, stack: ExitStack) -> Iterable[list[dict[str, Any]]]:
    """What `work` gives for each file, in the files' order: many files are shared out over the processors."""
    if len(files) < _WORTH_SHARING:
        return map(work, files)
    # A fresh process for each worker: Saxon's threads do not survive a fork.
    pool = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
    return stack.enter_context(pool).map(work, files, chunksize=8)


def _entries(file: Path, profile: Any, today: date, locale: Locale) -> list[dict[str, Any]]:
    return list(describe(file, profile, today, locale))


def describe(file: Path, profile: Any, today: date, locale: Locale) -> Iterator[dict[str, Any]]:
    """What `read` says of one file: one entry, or one for each file of a zip and each row of a sheet."""
    try:
        data = _bytes(file)
        if not bundles.is_bundle(data):
            yield _describe(str(file), lambda: read_with_xml(data), profile, today, locale)
            return
        position = 0
        for position, entry in enumerate(bundles.unpack(data), start=1):
            read_entry = partial(_entry, position, entry)
            yield _describe(f"{file}#{entry.name}", read_entry, profile, today, locale)
        if not position:
            raise Unreadable("batch-is-empty")
    except Unreadable as refusal:
        yield _refused(str(file), refusal, locale)


def _describe(name: str, read_one: Reader, profile: Any, today: date, locale: Locale) -> dict[str, Any]:
    """Fields, validation and verdict of one invoice, or why it could not be read."""
    try:
        invoice, root = read_one()
        validation = validate(invoice, root)
        judgement = judge(invoice, validation, Facts(today=today), profile)
    except Unreadable as refusal:
        return _refused(name, refusal, locale)
    except RulesUnavailableError:
        raise
    except Exception as fault:  # noqa: BLE001 - a fault of ours costs this file its line, not the other files theirs
        return _refused(name, Unreadable("reader-failed", fault=type(fault).__name__), locale)
    return {
        "file": name,
        **summary.fields(invoice),
        "validation": summary.validation(validation, locale),
        "financeable": summary.financeable(judgement, locale),
    }


def _entry(position: int, entry: Entry) -> tuple[Invoice, Any]:
    if entry.kind == bundles.ROW:
        return bundles.row_invoice(position, entry.content), None
    bundles.refuse_nested(entry.content)
    return read_with_xml(entry.content)


def _refused(name: str, refusal: Unreadable, locale: Locale) -> dict[str, Any]:
    return {"file": name, "error": {"code": refusal.code, "message": refusal.sentence(locale)}}


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or every file below the folder in order of name."""
    if path.is_dir():
        yield from sorted(entry for entry in path.rglob("*") if entry.is_file())
    else:
        yield path


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise Unreadable("file-too-large", limit=MAX_BYTES)
        return file.read_bytes()
    except OSError as error:
        raise Unreadable("file-missing", reason=error.strerror or type(error).__name__) from None


def _words(entry: dict[str, Any], locale: Locale) -> str:
    """A few lines for a person, none wider than `_WIDTH` columns."""
    if "error" in entry:
        return "\n".join((entry["file"], *_wrapped("", entry["error"]["message"]), ""))
    payable, currency = entry["payable"], entry["currency"]
    is_known = payable is not None and currency is not None
    lines = [entry["file"]]
    for label, value in (
        ("BT-1", entry["number"]),
        ("BT-3", entry["type"]),
        ("BT-2", entry["issue_date"]),
        ("BT-9", f"{entry['due_date'] or '-'} ({entry['due_date_source']})"),
        ("BT-115", f"{amounts.text(payable, currency)} {currency}" if is_known else None),
        ("BT-27", _named(entry["seller"])),
        ("BT-44", _named(entry["buyer"])),
        ("said.validation", entry["validation"]["result"]),
        ("said.rules", "; ".join(entry["validation"]["rules"])),
        ("said.financeable", entry["financeable"]["result"]),
    ):
        lines += _wrapped(messages.text(label, locale), value or "-")
    sentences = (*entry["validation"]["findings"], *entry["financeable"]["reasons"])
    for sentence in dict.fromkeys(each["sentence"] for each in sentences):
        lines += _wrapped("", f"- {sentence}")
    return "\n".join((*lines, ""))


def _named(party: dict[str, Any]) -> str:
    return ", ".join(filter(None, (party["name"], party["vat"]))) or "-"


def _wrapped(label: str, text: str) -> list[str]:
    """The label and the text beside it, wrapped by what a screen gives characters: Chinese ones get two."""
    indent = " " * (_LABEL + 4 if label else 2)
    lines = Text(text).wrap(_SCREEN, _WIDTH - len(indent))
    first = f"  {set_cell_size(label, _LABEL)}  " if label else indent
    return [(first if number == 0 else indent) + line.plain.rstrip() for number, line in enumerate(lines)]
