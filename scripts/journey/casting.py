"""Who plays whom: the sample parties, and for a file somebody else wrote the companies it names.

Such companies are admitted first, as an operator would: described, on the chain, in the application.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stdnum.eu.vat import MEMBER_STATES

from backend.invoices.model import Party as StatedParty
from scripts.journey.paper import ROOT, Paper
from scripts.journey.party import JourneyError, Party
from scripts.journey.stage import Cast
from scripts.parties import PartyFolder
from tasks.networks import Network

_GLNS = {"supplier": "9520000000103", "buyer": "9520000000110"}
"""GS1's prefix for examples: the file's own numbers are not always what they claim to be."""


def cast_for(paper: Paper, network: Network, parties: Path, api_url: str, journey: str) -> Cast:
    """The parties of this invoice, admitted where they are not yet."""
    ids = {"supplier": "supplier", "buyer": "buyer"}
    if not paper.is_sample:
        ids = {role: f"file-{role}" for role in ids}
        _admit(paper, network, ids)

    def party(name: str) -> Party:
        return Party(PartyFolder(parties, name), api_url, journey)

    banks = {name: party(name) for name in ("bank-one", "bank-two")}
    return Cast(party(ids["supplier"]), party(ids["buyer"]), banks, party("rival"), party("operator"))


def _admit(paper: Paper, network: Network, ids: dict[str, str]) -> None:
    """Writes the description of the parties the file names, and has the operator admit them."""
    invoice = paper.invoice
    payable = invoice.totals.payable or 0
    money = {invoice.currency or "EUR": payable}
    sample = tomllib.loads((ROOT / "samples" / "parties.toml").read_text())["parties"]
    banks = [each for each in sample if "funder" in each["roles"]]
    entries = [
        *(_funded(bank, money) for bank in banks),
        _entry(ids["supplier"], invoice.seller, ["supplier", "recorder"], _GLNS["supplier"], {}),
        _entry(ids["buyer"], invoice.buyer, ["debtor", "recorder"], _GLNS["buyer"], money),
    ]
    folder = network.folder / "journey"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evidence.txt").write_text("The invoice file itself: the journey admits whom it names.\n")
    description = folder / "parties.toml"
    description.write_text("\n".join(entries))
    command = [sys.executable, "-m", "tasks", "admit", "--network", network.name]
    environment = os.environ | {"PARTIES": str(description)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise JourneyError(
            f"the companies in {paper.name} were not admitted: {done.stdout[-600:]}{done.stderr[-600:]}"
        )


def _funded(bank: dict[str, Any], money: dict[str, int]) -> str:
    """A sample bank with enough test money for this invoice; admitted already, it is only topped up."""
    return _entry_of(bank["id"], bank["name"], bank["country"], bank["tax_number"], (), bank["roles"], money)


def _entry(party_id: str, stated: StatedParty, roles: list[str], gln: str, money: dict[str, int]) -> str:
    if stated.vat is None:
        raise JourneyError(
            f"{stated.name or party_id} has no tax number in the file, so it cannot be matched"
        )
    name = (stated.name or party_id).replace('"', "'")
    country = _registered_in(stated.vat) or stated.country or "DE"
    return _entry_of(party_id, name, country, stated.vat, (gln,), roles, money)


def _registered_in(vat: str) -> str | None:
    """The country a VAT number names, which need not be that of the address."""
    prefix = vat[:2].upper()
    known = MEMBER_STATES | {"el", "xi"}
    return {"EL": "GR", "XI": "GB"}.get(prefix, prefix) if prefix.lower() in known else None


def _entry_of(
    party_id: str,
    name: str,
    country: str,
    tax_number: str,
    glns: Sequence[str],
    roles: Sequence[str],
    money: dict[str, int],
) -> str:
    members = {
        "id": party_id,
        "name": name,
        "country": country,
        "tax_number": tax_number,
        "glns": list(glns),
        "roles": list(roles),
        "evidence": "evidence.txt",
    }
    lines = [f"{member} = {json.dumps(value)}" for member, value in members.items()]
    lines += ["valid_until = 2035-12-31", 'users = { desk = ["maker", "checker"] }']
    lines += [f"test_money = {{ {', '.join(f'{code} = {minor}' for code, minor in money.items())} }}"]
    return "\n".join(["[[parties]]", *lines, ""])
