"""`tallystick keys …` and `tallystick sign`: a party's own keys, on its own machine."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from backend.kit import messages
from backend.kit.messages import Locale
from backend.signing import client, ledger
from backend.signing.keystore import Keystore, KeystoreError
from backend.signing.typed import Refused, check
from backend.signing.words import lines

PASSWORD_VARIABLE = "TALLYSIGN_PASSWORD"  # noqa: S105 -- the variable's name
API_KEY_VARIABLE = "TALLYSIGN_API_KEY"

keys = typer.Typer(no_args_is_help=True, help="Your own keys, encrypted on this machine.")

KeystoreOption = Annotated[
    Path, typer.Option("--keystore", envvar="TALLYSIGN_KEYSTORE", help="Folder of your encrypted keys.")
]
PasswordOption = Annotated[
    Path | None,
    typer.Option("--password-file", help=f"File with the password; else {PASSWORD_VARIABLE} or a prompt."),
]
DEFAULT = Path.home() / ".tallystick"


@keys.command("create")
def create(name: str, keystore: KeystoreOption = DEFAULT, password_file: PasswordOption = None) -> None:
    """Make a new key and print its address."""
    try:
        typer.echo(Keystore(keystore).create(name, _password(password_file, new=True)))
    except KeystoreError as error:
        _stop(str(error))


@keys.command("list")
def list_keys(keystore: KeystoreOption = DEFAULT) -> None:
    """Print name and address of every key."""
    try:
        for name, address in Keystore(keystore).addresses().items():
            typer.echo(f"{address}  {name}")
    except KeystoreError as error:
        _stop(str(error))


@keys.command("trust")
def trust(deployment: Path, keystore: KeystoreOption = DEFAULT) -> None:
    """Set this keystore up for one ledger: the chain, contracts and tokens of a deployment record."""
    try:
        pinned = ledger.parse(deployment)
        pinned.save(keystore)
    except ledger.LedgerError as error:
        _stop(str(error))
    typer.echo(f"These keys sign for chain {pinned.chain_id} and its {len(pinned.contracts)} contracts only.")


@keys.command("name")
def name_address(address: str, name: str, keystore: KeystoreOption = DEFAULT) -> None:
    """Give an address a name of your own, which is then shown beside it before you sign."""
    try:
        ledger.remember(keystore, address, name)
    except ledger.LedgerError as error:
        _stop(str(error))


def sign(
    source: Annotated[str, typer.Argument(help="An action's URL, or a file (-: input) of typed data.")],
    key: Annotated[
        str | None, typer.Option("--key", help="Name of the key; not needed when there is only one.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="Language of the words: en or zh.")] = "en",
    keystore: KeystoreOption = DEFAULT,
    password_file: PasswordOption = None,
) -> None:
    """Show in words what is to be signed, ask, and sign it.

    The words come from the typed data itself. Given a URL, the action is fetched and the signature handed in
    with the API key in TALLYSIGN_API_KEY; given a file, nothing leaves this machine and the signature is
    printed.
    """
    if lang not in messages.LOCALES:
        _stop(f"--lang must be one of {', '.join(messages.LOCALES)}, not {lang!r}")
    locale: Locale = "zh" if lang == "zh" else "en"
    online = source.startswith(("http://", "https://"))
    api_key = os.environ.get(API_KEY_VARIABLE, "")
    if online and not api_key:
        _stop(f"set {API_KEY_VARIABLE} to your API key: the action at {source} is fetched and signed with it")
    try:
        store = Keystore(keystore)
        name = key or _only_key(store)
        document = check(_typed_data(source, api_key, online), ledger.read(keystore))
        for line in lines(document, locale, ledger.names(keystore)):
            typer.echo(line, err=True)
        typer.echo(
            messages.text("sign-with", locale, name=name, address=store.addresses().get(name, "?")), err=True
        )
        if not yes and not typer.confirm(messages.text("sign-confirm", locale), err=True):
            raise typer.Exit(3)
        account = store.unlock(name, _password(password_file))
        signature = "0x" + bytes(account.sign_message(document.signable()).signature).hex()
        result: Mapping[str, Any] = {"signer": account.address, "signature": signature}
        if online:
            result = {**result, "operation": client.submit(source, api_key, signature)}
    except Refused as refused:
        _stop(messages.text(refused.code, locale, **refused.params))
    except (KeystoreError, ledger.LedgerError, client.ClientError) as error:
        _stop(str(error))
    typer.echo(json.dumps(result))


def _typed_data(source: str, api_key: str, online: bool) -> object:
    if online:
        return client.fetch(source, api_key).get("typed_data")
    try:
        raw = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _stop(f"{source} could not be read as JSON: {error}")
    return raw.get("typed_data", raw) if isinstance(raw, dict) else raw


def _only_key(store: Keystore) -> str:
    names = list(store.addresses())
    if len(names) != 1:
        raise KeystoreError(
            f"{store.folder} has {len(names)} keys ({', '.join(names)}): say which with --key NAME"
        )
    return names[0]


def _password(path: Path | None, *, new: bool = False) -> str:
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise KeystoreError(f"the password file cannot be read: {error}") from error
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=new, err=True)
    return answer


def _stop(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
