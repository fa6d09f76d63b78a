"""Admits parties on the chain: `make admit PARTIES=file.toml`. Run again, it does what is missing.

The account's address follows from a salted commitment to the party. The salt is on disk before anything is
sent, so that a run that was cut off finds the same account again.
"""

import os
import secrets
from pathlib import Path
from typing import Any

from backend.kit.identity import SALT_BYTES, account_commitment
from backend.signing.keystore import Keystore
from scripts.make_keys import WORK_FACTOR, secret_in
from scripts.parties import Description, DescriptionError, Kept, PartyFolder, read_description
from scripts.session import ScriptError, Session, run, sent_by

SIGNER = "signer"


def main() -> None:
    """Brownie's entry point; the description is the file in PARTIES."""
    run(admit)


def admit(session: Session) -> None:
    """Admits every party of the description that has roles and is not admitted."""
    try:
        descriptions = read_description(Path(os.environ["PARTIES"]))
    except DescriptionError as error:
        raise ScriptError(str(error)) from error
    for description in descriptions:
        folder = PartyFolder(session.network.folder / "parties", description.id)
        kept = _begin(session, description, folder)
        if description.roles:
            _admit_account(session, description, kept)
        _mint(session, description, kept.signer)
        folder.save(kept)
        print(f"  {description.id:<12} {kept.account or 'no account'}", flush=True)
    session.wait_for_confirmations()


def _begin(session: Session, description: Description, folder: PartyFolder) -> Kept:
    """What is kept of the party, with its key: as it was, or begun and saved."""
    ledger = session.record.contracts["Participants"]["address"]
    kept = folder.load()
    if kept is None or kept.ledger != ledger:
        kept = Kept(description.id, ledger, "0x" + secrets.token_hex(SALT_BYTES))
    kept.signer = description.key or _made_key(folder)
    folder.save(kept)
    return kept


def _made_key(folder: PartyFolder) -> str:
    keystore = Keystore(folder.keystore)
    if SIGNER not in keystore.addresses():
        keystore.create(SIGNER, secret_in(folder.password), WORK_FACTOR)
    return keystore.addresses()[SIGNER]


def _admit_account(session: Session, description: Description, kept: Kept) -> None:
    participants = session.contract("Participants")
    salt = bytes.fromhex(kept.salt.removeprefix("0x"))
    commitment = account_commitment(salt, description.country, description.tax_number)
    kept.account = participants.accountOf(commitment)
    if participants.admissions(kept.account):
        return
    registrar = session.key(session.settings["roles"]["registrar"])
    participants.admit(
        commitment,
        description.role_bits,
        description.valid_until_second,
        description.payout or kept.signer,
        description.evidence_hash,
        bytes.fromhex(kept.signer.removeprefix("0x").rjust(64, "0")),
        False,
        sent_by(registrar),
    )


def _mint(session: Session, description: Description, holder: str) -> None:
    """Tops the party's wallet up with test money. Raises ScriptError where the money is not a test one."""
    for code, minor in description.test_money.items():
        token = _test_token(session, code)
        wanted = minor * 10 ** session.record.tokens[token.address]["exponent"]
        missing = wanted - token.balanceOf(holder)
        if missing > 0:
            token.mint(holder, missing, sent_by(session.key("deployer")))


def _test_token(session: Session, code: str) -> Any:
    for token in session.record.tokens.values():
        if token["currency"] == code and token["symbol"] in session.record.contracts:
            return session.contract(token["symbol"], "TestCurrency")
    raise ScriptError(f"{session.network.name} has no test money in {code}: leave test_money out.")
