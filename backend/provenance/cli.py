"""`tallystick epcis …`: the event hash and validation of EPCIS 2.0 files, without a server."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from backend.provenance.epcis.document import MAX_BYTES, Fault, Unreadable
from backend.provenance.epcis.hashing import prehash
from backend.provenance.epcis.validation import read, validate

epcis = typer.Typer(help="Read, check and hash EPCIS 2.0 documents (JSON-LD and XML).", no_args_is_help=True)

Paths = Annotated[
    list[Path], typer.Argument(help="Files, or folders searched for .json, .jsonld and .xml files.")
]


@epcis.command("hash")
def hash_events(
    paths: Paths,
    prehashes: Annotated[
        bool, typer.Option("--prehash", help="Print what is hashed instead of the hash.")
    ] = False,
) -> None:
    """Print the CBV 2.0 event hash of each event, one a line, in the order of the documents."""
    failed = False
    for path in _files(paths):
        try:
            document = read(_bytes(path))
            for event in document.for_hashing():
                typer.echo(prehash(event.body, event.namespaces) if prehashes else event.cbv_hash())
        except Unreadable as error:
            failed = True
            typer.echo(f"{path}: {error}", err=True)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            failed = True
            typer.echo(
                f"{path}: an event is not valid ({error}); run `tallystick epcis validate {path}`", err=True
            )
    raise typer.Exit(1 if failed else 0)


@epcis.command("validate")
def validate_files(
    paths: Paths,
    strict: Annotated[
        bool, typer.Option(help="Also refuse GS1 keys that are malformed or have a bad check digit.")
    ] = False,
) -> None:
    """Say for each file whether it is a valid EPCIS 2.0 document, and if not what is wrong and where."""
    failed = False
    files = list(_files(paths))
    console = Console(stderr=True)
    for path in track(files, "checking", console=console, transient=True, disable=len(files) < 20):
        faults = _check(path, strict=strict)
        failed = failed or bool(faults)
        typer.echo(f"{path}: {'invalid' if faults else 'valid'}")
        for fault in faults:
            typer.echo(f"  {fault}")
    raise typer.Exit(1 if failed else 0)


def _check(path: Path, *, strict: bool) -> list[Fault]:
    try:
        return validate(read(_bytes(path)), strict=strict)
    except Unreadable as error:
        return [error.fault]


def _bytes(path: Path) -> bytes:
    """A file's bytes; of too large a file one byte too many, so that it is refused and not cut short."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(Fault("", "no-file", error.strerror or str(error))) from error


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(
                item for item in path.rglob("*") if item.suffix.lower() in {".json", ".jsonld", ".xml"}
            )
            if not found:
                typer.echo(f"{path}: no .json, .jsonld or .xml file in it", err=True)
                raise typer.Exit(1)
            yield from found
        else:
            yield path
