"""The command `tallystick`. Each command loads only what it needs: the offline ones need no server."""

import asyncio
import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

# Commands of rooms: name → module and what in it is a typer application or a plain function.
_ROOMS = {
    "sign": ("backend.signing.cli", "sign"),
    "keys": ("backend.signing.cli", "keys"),
    "invoices": ("backend.invoices.commands", "app"),
    "verify": ("backend.verifier.cli", "verify"),
    "epcis": ("backend.provenance.cli", "epcis"),
    "monitor": ("backend.provenance.log.watching", "monitor"),
    "record": ("backend.provenance.recorder", "record"),
    "operations": ("backend.chain.commands", "operations"),
}


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tallystick: receivables finance and supply-chain provenance on an EVM chain.",
)


@app.command()
def migrate() -> None:
    """Bring the database up to this version."""
    from backend.kit import settings
    from backend.migrations.upgrade import newest, upgrade

    upgrade(settings.load().database_url.get_secret_value())
    typer.echo(f"The database is at revision {newest()}.")


@app.command()
def api() -> None:
    """Serve the HTTP API; a worker beside it does the rest."""
    from backend.serving import serve

    serve(with_loops=False)


@app.command()
def worker() -> None:
    """Send what waits, follow the chain, and do every room's other work."""
    from backend.serving import work

    work()


@app.command()
def up() -> None:
    """API and worker in one process."""
    from backend.serving import serve

    serve(with_loops=True)


@app.command()
def reindex() -> None:
    """Drop every row that comes from the chain and read the chain anew; the rows come out the same."""
    from backend.serving import reindex as run

    asyncio.run(run())


@app.command()
def doctor() -> None:
    """Find and explain what is wrong: nonces, stuck operations, index, chain."""
    from backend.serving import doctor as run

    if not asyncio.run(run()):
        raise typer.Exit(1)


@app.command()
def openapi(
    target: Annotated[Path | None, typer.Argument(help="File to write; standard output without it.")] = None,
) -> None:
    """Write the OpenAPI document of the API."""
    from backend.serving import openapi_document

    document = openapi_document()
    if target is None:
        typer.echo(document)
    else:
        target.write_text(document + "\n", encoding="utf-8")


def main() -> int:
    """Runs the command; the exit code. What the user can solve is one sentence, not a traceback."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    for name in [asked] if asked in _ROOMS else _ROOMS:
        _attach(name)
    try:
        app()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        if type(error).__name__ not in ("SettingsError", "DeploymentError", "SignerError"):
            raise
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _attach(name: str) -> None:
    """Adds a room's commands, unless what they need is not installed."""
    module, attribute = _ROOMS[name]
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


if __name__ == "__main__":
    sys.exit(main())
