"""Makes the first operator of a ledger, whose key then makes all others: `python -m scripts.first_operator`.

Everything else about parties goes through the API; this one key cannot. Settings come from the environment
(TALLYSTICK_DATABASE_URL, TALLYSTICK_DEPLOYMENT); what was made lies in the folder that is given.
"""

import asyncio
import secrets
import sys
from pathlib import Path

from backend.chain import contracts
from backend.kit import settings
from backend.kit.access import Role
from backend.kit.database import Database
from backend.parties import service
from scripts.parties import Kept, PartyFolder

USER = "operations"


async def make_operator(folder: PartyFolder, ledger_name: str) -> bool:
    """Makes the operator's party, user and key unless they are there; whether it made them."""
    configured = settings.load()
    ledger = contracts.load(configured.deployment)
    kept = folder.load()
    if kept is not None and kept.ledger == str(ledger.ledger_id):
        return False
    database = Database(configured.database_url.get_secret_value())
    try:
        async with database.transaction() as session:
            await service.open_ledger(session, ledger.ledger_id, name=ledger_name, chain_id=ledger.chain_id)
            # An operator is no trading party: a number nobody can have, new each time, so that a run that
            # was cut off before its key was written down can be repeated.
            number = f"OPERATOR{secrets.randbelow(10**12):012d}"
            party = await service.admit_party(
                session, ledger.ledger_id, country="ZZ", tax_number=number, name="Operator"
            )
            user = await service.create_user(session, party, name=USER, roles=[Role.OPERATOR])
            key = await service.create_key(session, user, label="first")
    finally:
        await database.close()
    kept = Kept(folder.folder.name, str(ledger.ledger_id), salt="", party_id=str(party.id))
    kept.users[USER] = {"id": str(user.id), "api_key": key.secret}
    folder.save(kept)
    return True


if __name__ == "__main__":
    target = Path(sys.argv[1])
    asyncio.run(make_operator(PartyFolder(target.parent, target.name), ledger_name=target.parent.name))
