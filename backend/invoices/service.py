"""What can be done with invoices that are here. Each function works in the transaction it is given."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec, fingerprints, holds, repository, vault
from backend.invoices.gates.judge import PROFILES, Effect, Facts, Judgement, Profile, Reason, judge
from backend.invoices.identity import document_class
from backend.invoices.model import Invoice
from backend.invoices.problems import (
    FilingMissing,
    InvoiceErased,
    InvoiceHeld,
    InvoiceInUse,
    InvoiceWithdrawn,
)
from backend.invoices.secrets import Secrets
from backend.invoices.tables import InvoiceHold, InvoiceRecord
from backend.invoices.validation.result import Validation
from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.problems import FieldError, NotFound, Problem

BUYER = "Peppol BIS Invoice Response 3: only AP, or CA with its terms, can be financed"
UNIQUENESS = "One invoice, one claim: comparison with the invoices of this ledger"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an invoice stands today: what it says, what was found, what it is held for."""

    record: InvoiceRecord
    invoice: Invoice
    validation: Validation
    judgement: Judgement
    holds: Sequence[InvoiceHold]
    """All of them; those with `released_at` are settled."""


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """What a receivable is made from. Amounts are minor units; hashes 0x-hex."""

    id: UUID
    number: str
    seller_party_id: UUID
    buyer_party_id: UUID | None
    buyer_name: str
    currency: str
    payable: int
    due_date: date | None
    document_root: str
    key_set: int
    fingerprints: tuple[str, ...]
    """The one under the first active key and the seller's tax number first."""
    obstacles: tuple[FieldError, ...] = ()
    """Why it cannot be financed now, apart from what the buyer or the final terms settle."""


async def get(session: AsyncSession, caller: Caller, invoice_id: UUID) -> InvoiceRecord:
    """An invoice the caller may see, or NotFound."""
    if (record := await repository.find(session, caller, invoice_id)) is None:
        raise NotFound()
    return record


async def standing(session: AsyncSession, caller: Caller, record: InvoiceRecord) -> Standing:
    """The invoice as of today, as the caller may know it. Raises InvoiceErased."""
    if record.state == "erased":
        raise InvoiceErased()
    invoice, validation = codec.load(record.fields), codec.load_validation(record.validation)
    found = await holds.current(session, record)
    credited, corrected_by = await _since(session, record)
    facts = Facts(
        today=now().date(),
        credited=credited,
        corrected_by=corrected_by,
        seller_admitted=True,
        buyer_admitted=record.buyer_party_id is not None,
        filing_number=record.filing_number,
    )
    judged = judge(invoice, validation, facts, _profile(record))
    if record.answer in {"RE", "UQ"}:
        refusal = Reason(rule=f"answer-{record.answer.lower()}", effect=Effect.BLOCK, source=BUYER)
        judged = Judgement.of((*judged.reasons, refusal))
    return Standing(record, invoice, validation, _with_holds(caller, judged, found), found)


async def agreed(session: AsyncSession, record: InvoiceRecord, invoice: Invoice) -> tuple[int, date | None]:
    """What is left to pay (minor units) and when: as the buyer accepted it, less what was credited."""
    credited, _ = await _since(session, record)
    answers = await repository.answers_of(session, record.id)
    accepting = [each for each in answers if each.state == "given" and each.code in {"AP", "CA"}]
    last = accepting[-1] if accepting else None
    whole = invoice.totals.payable or 0
    amount = last.amount if last and last.amount is not None else whole
    day = date.fromisoformat(last.due_date) if last and last.due_date else invoice.due.day
    return max(0, min(amount, whole - credited)), day


async def _since(session: AsyncSession, record: InvoiceRecord) -> tuple[int, str | None]:
    """Minor units credited since, and the number of the correction that took the invoice's place."""
    credited, corrected_by = 0, None
    for each in await repository.naming(session, record):
        later = codec.load(each.fields)
        if document_class(later) != "CN":
            corrected_by = each.number
        elif later.currency == record.currency:
            gross = later.totals.gross if later.totals.gross is not None else later.totals.payable
            credited += abs(gross or 0)
    return credited, corrected_by


def _with_holds(caller: Caller, judged: Judgement, found: Sequence[InvoiceHold]) -> Judgement:
    """The judgement without what was let go, and with what only a comparison can find."""
    held = {hold.rule: hold for hold in found if hold.released_at is None}
    released = {hold.rule for hold in found} - set(held)
    reasons = [reason for reason in judged.reasons if reason.rule not in released]
    stated = {reason.rule for reason in reasons}
    hidden = {holds.shown(caller, hold): hold.params for rule, hold in held.items() if rule not in stated}
    reasons += [
        Reason(rule=rule, effect=Effect.HOLD, source=UNIQUENESS, params=params)
        for rule, params in hidden.items()
    ]
    return Judgement.of(reasons)


async def facts(session: AsyncSession, caller: Caller, secrets: Secrets, invoice_id: UUID) -> InvoiceFacts:
    """What a receivable is made from. Raises NotFound, InvoiceErased or -Withdrawn, FingerprintKeyMissing."""
    record = await get(session, caller, invoice_id)
    if record.state == "withdrawn":
        raise InvoiceWithdrawn(number=record.number)
    await holds.compare(session, record)
    now_standing = await standing(session, caller, record)
    marks = await fingerprints.of(session, secrets, record)
    invoice = now_standing.invoice
    payable, due = await agreed(session, record, invoice)
    return InvoiceFacts(
        id=record.id,
        number=record.number,
        seller_party_id=record.party_id,
        buyer_party_id=record.buyer_party_id,
        buyer_name=invoice.buyer.name or invoice.buyer.vat or "?",
        currency=record.currency,
        payable=payable,
        due_date=due,
        document_root=record.document_root,
        key_set=marks.key_set,
        fingerprints=tuple(item.value for item in marks.items),
        obstacles=tuple(
            FieldError(pointer="/invoice_id", code=f"gate.{reason.rule}", params=reason.params)
            for reason in now_standing.judgement.reasons
            if reason.settled_by is None and reason.effect in (Effect.BLOCK, Effect.HOLD)
        ),
    )


async def recheck_all(
    session: AsyncSession, ledger_id: UUID, invoice_ids: Collection[UUID]
) -> dict[UUID, Problem]:
    """The comparison once more, in the transaction that queues what relies on the invoices; of each that
    cannot be relied on, why (InvoiceHeld, NotFound).

    Of two that came at the same moment, and could not see each other then, the later one stops here.
    """
    locked = await repository.lock_all(session, ledger_id, invoice_ids)
    refused: dict[UUID, Problem] = {each: NotFound() for each in invoice_ids if each not in locked}
    for each in await holds.to_be_compared(session, ledger_id, locked):
        record = await repository.get(session, ledger_id, each, lock=True)
        if record is not None and await holds.compare(session, record):
            refused[each] = InvoiceHeld(number=record.number)
    return refused


async def require_filing(session: AsyncSession, ledger_id: UUID, invoice_id: UUID) -> None:
    """Before money moves: where the profile asks for it, the filing of the assignment is noted.

    Raises FilingMissing.
    """
    record = await repository.get(session, ledger_id, invoice_id)
    if record is None or record.state == "erased":
        return
    facts = Facts(today=now().date(), filing_number=record.filing_number, before_funding=True)
    judged = judge(
        codec.load(record.fields), codec.load_validation(record.validation), facts, _profile(record)
    )
    if any(
        reason.rule == "filing-number-missing" and reason.effect is Effect.BLOCK for reason in judged.reasons
    ):
        raise FilingMissing(number=record.number)


async def note_filing(
    session: AsyncSession, caller: Caller, record: InvoiceRecord, filing_number: str | None
) -> None:
    """Notes under which number the assignment is filed (中登网, CERSAI), or takes that back. By its owner."""
    _own(caller, record)
    record.filing_number = filing_number
    await session.flush()


def _profile(record: InvoiceRecord) -> Profile:
    return next(name for name in PROFILES if name == record.profile)


async def mark_in_use(session: AsyncSession, ledger_id: UUID, invoice_id: UUID) -> None:
    """Says that a receivable rests on the invoice: it can no longer be withdrawn.

    Raises NotFound, and InvoiceWithdrawn or -Erased for one taken back since it was read.
    """
    if (record := await repository.get(session, ledger_id, invoice_id, lock=True)) is None:
        raise NotFound()
    if record.state == "erased":
        raise InvoiceErased()
    if record.state == "withdrawn":
        raise InvoiceWithdrawn(number=record.number)
    record.state = "in-use"
    await session.flush()


async def withdraw(session: AsyncSession, caller: Caller, record: InvoiceRecord) -> None:
    """Takes an invoice back before anybody relied on it; it may then be brought again. By its owner.

    Raises InvoiceInUse when something rests on it, or it is withdrawn already.
    """
    _own(caller, record)
    await repository.lock(session, record)
    if record.state != "open":
        raise InvoiceInUse(number=record.number)
    record.state = "withdrawn"
    await repository.forget_tokens(session, record.id)


async def erase(session: AsyncSession, caller: Caller, record: InvoiceRecord) -> None:
    """Destroys the original and everything read from it; hash, root and identity remain. By its owner.

    Raises InvoiceInUse while something rests on it, or a legal hold keeps it.
    """
    _own(caller, record)
    await repository.lock(session, record)
    if record.state == "in-use" or record.legal_hold:
        raise InvoiceInUse(number=record.number)
    await destroy(session, record)


async def destroy(session: AsyncSession, record: InvoiceRecord) -> None:
    """Destroys the original and everything read from it, whoever decided that it may be."""
    await vault.erase(session, record)
    await repository.forget_deliveries(session, record.id)
    record.state, record.fields, record.validation, record.number = "erased", {}, {}, ""
    await session.flush()


def _own(caller: Caller, record: InvoiceRecord) -> None:
    caller.require(Role.MAKER, Role.CHECKER)
    if record.party_id != caller.party_id:
        raise NotFound()
