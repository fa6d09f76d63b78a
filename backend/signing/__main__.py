"""`python -m backend.signing`: the local signer alone, as the base install has it."""

import typer

from backend.signing.cli import keys, sign

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Sign for your party, on your own machine."
)
app.add_typer(keys, name="keys")
app.command()(sign)

if __name__ == "__main__":
    app(prog_name="tallystick")
