"""This room's work beside the requests."""

from functools import cache
from uuid import UUID

from backend.invoices.batches import Steward
from backend.invoices.secrets import Secrets
from backend.kit.database import Database
from backend.kit.loops import Loop
from backend.kit.settings import Settings


def loops(settings: Settings, database: Database, ledger_id: UUID) -> list[Loop]:
    """Taking in batches."""

    @cache
    def secrets() -> Secrets:
        return Secrets.load(settings)

    steward = Steward(database, ledger_id, secrets, settings.clamd)
    return [Loop("invoice-batches", steward.step, idle=1.0)]
