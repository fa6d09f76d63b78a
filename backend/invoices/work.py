"""This room's work beside the requests: batches, reminders, erasing what was kept long enough."""

from functools import cache
from uuid import UUID

from backend.invoices.batches import Steward
from backend.invoices.reminders import Reminders
from backend.invoices.retention import Retention, StillNeeded
from backend.invoices.secrets import Secrets
from backend.kit.database import Database
from backend.kit.loops import Loop
from backend.kit.settings import Settings

_MINUTE, _HOUR = 60.0, 3_600.0


def loops(settings: Settings, database: Database, ledger_id: UUID, still_needed: StillNeeded) -> list[Loop]:
    """The loops of this room. `still_needed` says whether something still rests on an invoice."""

    @cache
    def secrets() -> Secrets:
        return Secrets.load(settings)

    steward = Steward(database, ledger_id, secrets, settings.clamd)
    reminders = Reminders(database, ledger_id, settings.reminder_days)
    retention = Retention(database, ledger_id, settings.retention_years, still_needed)
    return [
        Loop("invoice-batches", steward.step, idle=1.0, rest=3.0),
        Loop("invoice-reminders", reminders.step, idle=_MINUTE),
        Loop("invoice-retention", retention.step, idle=_HOUR),
    ]
