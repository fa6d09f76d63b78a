"""The invoice behind a claim as evidence: the fields a funder needs with their proofs, and fingerprints."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec, fingerprints, repository, vault
from backend.invoices.api import load_secrets
from backend.invoices.secrets import Secrets
from backend.invoices.tables import InvoiceRecord
from backend.kit.problems import NotFound
from backend.verification.service import InvoiceEvidence, ReadInvoice
from backend.verifier import evidence

SHOWN = frozenset({
    "document", "BT-1", "BT-2", "BT-3", "BT-5", "BT-9", "BT-13", "BT-15", "BT-16", "BT-27", "BT-31", "BT-44",
    "BT-48", "BT-59", "BT-72", "BT-112", "BT-113", "BT-115",
})  # fmt: skip
SHOWN_OF_LINES = frozenset({"BT-126", "BT-129", "BT-130", "BT-131", "BT-157"})
"""What a bundle shows of the invoice. Names of goods, prices and free text stay hidden."""

ASKED = ("BT-3", "BT-9", "BT-13", "BT-15", "BT-16", "BT-31")
"""Fields that the checks ask for and an invoice may lack: then that they are absent is proved."""

_LOOK_ALIKE = "same-"


def reader(state: Any) -> ReadInvoice:
    """Reads invoices with the keys of this process."""

    async def read(session: AsyncSession, ledger_id: UUID, invoice_id: UUID) -> InvoiceEvidence:
        record = await repository.get(session, ledger_id, invoice_id)
        if record is None:
            raise NotFound()
        return await _evidence(session, load_secrets(state), record)

    return read


async def _evidence(session: AsyncSession, secrets: Secrets, record: InvoiceRecord) -> InvoiceEvidence:
    salted = await vault.salted_fields(session, secrets, record)
    names = [name for name in sorted(salted.values) if _is_shown(name)]
    marks = await fingerprints.of(session, secrets, record)
    invoice, validation = codec.load(record.fields), codec.load_validation(record.validation)
    found = await repository.holds_of(session, record.id)
    look_alikes = [hold for hold in found if hold.rule.startswith(_LOOK_ALIKE) and hold.released_at is None]
    return InvoiceEvidence(
        fields=tuple(salted.disclose_all(names)),
        absent={name: salted.prove_absent(name) for name in ASKED if name not in salted.values}
        | {name: salted.prove_absent(name) for name in _beyond_last_line(salted.values)},
        fingerprints=tuple(
            evidence.Fingerprint(bytes.fromhex(mark.key[2:]), mark.identity, bytes.fromhex(mark.proof[2:]))
            for mark in marks.items
        ),
        key_set=marks.key_set,
        references=invoice.documents,
        verdict=validation.outcome.value,
        rules=", ".join(validation.rules) or None,
        due_date_source=invoice.due.source.value,
        look_alikes=len(look_alikes),
    )


def _beyond_last_line(names: Iterable[str]) -> list[str]:
    """Fields whose absence shows that no line of the invoice was hidden."""
    lines = {name.split("/")[1] for name in names if name.startswith("BG-25/")}
    return [f"BG-25/{len(lines)}/{term}" for term in ("BT-126", "BT-129")]


def _is_shown(name: str) -> bool:
    group, _, rest = name.partition("/")
    return name in SHOWN or (group == "BG-25" and rest.partition("/")[2] in SHOWN_OF_LINES)
