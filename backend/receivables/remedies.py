"""What is done about a receivable when things go otherwise than planned: dispute, credit note, payment
outside, late interest waived, write-off.

Each prepares what the party signs; the chain decides. A signature touches its signer's own units only. The
chain holds a salted hash where a sentence or a number belongs; the text stands in a note that the parties can
read and prove against it.
"""

from hashlib import sha256
from secrets import token_bytes
from typing import Final, Literal

from backend.chain.repository import ActionRecord
from backend.kit.clock import now
from backend.kit.columns import hash32
from backend.kit.problems import NotFound, Problem
from backend.receivables import repository
from backend.receivables.desk import Desk, Scope
from backend.receivables.model import Phase, Status, phase
from backend.receivables.movements import NotEnoughUnits, confirmed
from backend.receivables.repository import Note, ReceivableRecord, ReceivableState

DISPUTE, END_DISPUTE = "receivable.dispute", "receivable.dispute.end"
CREDIT_NOTE, CREDIT_CONSENT = "receivable.credit-note", "receivable.credit-note.consent"
CLOSE_OUTSIDE, WAIVE, WRITE_OFF = "receivable.outside-payment", "receivable.waiver", "receivable.write-off"
RECEIPT = "receivable.receipt"
Subject = Literal["dispute", "credit-note", "outside-payment", "cash", "warranty", "warranty-answer"]

_DOMAIN: Final = b"tallystick note v1\x00"


class Irrevocable(Problem):
    """The debtor undertook to pay without defence and set-off."""

    status, code = 409, "irrevocable"


class MoreThanUnpaid(Problem):
    """The amount is above what is still unpaid on the units it is about."""

    status, code = 422, "more-than-unpaid"


class CreditNoteUnknown(Problem):
    """The receivable has no such credit note."""

    status, code = 404, "credit-note-unknown"


class NotInDefault(Problem):
    """Units are written off once the claim is in default, not before."""

    status, code = 409, "not-in-default"


class NoLateInterest(Problem):
    """The terms name no late interest."""

    status, code = 409, "no-late-interest"


class NoSuchDispute(Problem):
    """The receivable has no open dispute of that number."""

    status, code = 404, "no-such-dispute"


def note_hash(salt: bytes, text: str) -> str:
    """What the chain holds of a note: a salted hash, so that nobody tries likely texts."""
    return hash32(sha256(_DOMAIN + salt + text.encode()).digest())


async def write_note(desk: Desk, record: ReceivableRecord, subject: Subject, text: str) -> str:
    """Keeps what is said; answers its hash."""
    salt = token_bytes(32)
    digest = note_hash(salt, text)
    desk.session.add(
        Note(
            ledger_id=desk.ledger_id,
            party_id=desk.caller.party_id,
            receivable_id=record.id,
            subject=subject,
            text=text,
            salt=salt,
            hash=digest,
        )
    )
    await desk.session.flush()
    return digest


async def dispute(desk: Desk, record: ReceivableRecord, amount: int, reason: str) -> ActionRecord:
    """The debtor disputes `amount` of what the supplier still holds. Raises Irrevocable, MoreThanUnpaid."""
    state = await confirmed(desk, record.chain_id)
    if state.terms["undertaking"]:
        raise Irrevocable()
    await _within(desk, state, state.supplier, amount)
    return await desk.prepare_call(
        "Dispute",
        {
            "terms": state.terms,
            "disputed": amount,
            "reason": await write_note(desk, record, "dispute", reason),
        },
        kind=DISPUTE,
        subject=f"receivable:{record.id}",
        account=state.debtor,
        scope=Scope.CONFIRM,
    )


async def end_dispute(desk: Desk, record: ReceivableRecord, lot: int) -> ActionRecord:
    """The debtor gives a dispute up: the lot stays apart and can be paid."""
    state = await confirmed(desk, record.chain_id)
    opened = await repository.count_of(desk.session, desk.ledger_id, record.chain_id, "Disputed")
    if not 1 <= lot <= opened:
        raise NoSuchDispute(lot=lot, opened=opened)
    return await desk.prepare_call(
        "EndDispute",
        {"terms": state.terms, "lot": lot},
        kind=END_DISPUTE,
        subject=f"receivable:{record.id}",
        account=state.debtor,
        scope=Scope.CONFIRM,
    )


async def credit(desk: Desk, record: ReceivableRecord, amount: int, number: str, lot: int) -> ActionRecord:
    """The supplier's credit note: extinguishes its own units first; others may consent for the rest."""
    state = await confirmed(desk, record.chain_id)
    if not lot and amount > state.unpaid:
        raise MoreThanUnpaid(amount=amount, unpaid=state.unpaid)
    note = await write_note(desk, record, "credit-note", number)
    return await desk.prepare_call(
        "IssueCreditNote",
        {"terms": state.terms, "lot": lot, "total": amount, "note": note},
        kind=CREDIT_NOTE,
        subject=f"receivable:{record.id}",
        account=state.supplier,
        scope=Scope.ISSUE,
    )


async def consent_to_credit(
    desk: Desk, record: ReceivableRecord, account: str, note: str, amount: int
) -> ActionRecord:
    """A holder gives up `amount` of what is unpaid on its units, under a credit note of the supplier's."""
    state = await confirmed(desk, record.chain_id)
    if not await repository.has_credit_note(desk.session, desk.ledger_id, record.chain_id, note):
        raise CreditNoteUnknown(note=note)
    await _within(desk, state, account, amount)
    return await desk.prepare_call(
        "JoinCreditNote",
        {"id": record.chain_id, "account": account, "note": note, "amount": amount},
        kind=CREDIT_CONSENT,
        subject=f"receivable:{record.id}",
        account=account,
        scope=Scope.ADJUST,
    )


async def close_outside(
    desk: Desk, record: ReceivableRecord, account: str, amount: int, reference: str
) -> ActionRecord:
    """A holder says that it was paid `amount` outside the ledger, and gives up the units that carry it."""
    state = await confirmed(desk, record.chain_id)
    await _within(desk, state, account, amount)
    digest = await write_note(desk, record, "outside-payment", reference)
    return await desk.prepare_call(
        "CloseOutside",
        {"id": record.chain_id, "account": account, "amount": amount, "paymentReference": digest},
        kind=CLOSE_OUTSIDE,
        subject=f"receivable:{record.id}",
        account=account,
        scope=Scope.ADJUST,
    )


async def waive_interest(desk: Desk, record: ReceivableRecord, account: str, *, waived: bool) -> ActionRecord:
    """A holder gives its share of late interest back to the debtor, or takes that back."""
    state = await confirmed(desk, record.chain_id)
    if not state.terms["lateRate"]:
        raise NoLateInterest()
    await _held(desk, record.chain_id, account)
    return await desk.prepare_call(
        "WaiveInterest",
        {"id": record.chain_id, "account": account, "waived": waived},
        kind=WAIVE,
        subject=f"receivable:{record.id}",
        account=account,
        scope=Scope.ADJUST,
    )


async def write_off(desk: Desk, record: ReceivableRecord, account: str) -> ActionRecord:
    """A holder marks its units as written off. It extinguishes nothing: later payments are still its own."""
    state = await confirmed(desk, record.chain_id)
    moment, status = int(now().timestamp()), Status(state.status)
    stands = phase(status, int(state.due_end.timestamp()), state.grace_days, state.was_written_off, moment)
    if stands not in {Phase.IN_DEFAULT, Phase.WRITTEN_OFF}:
        raise NotInDefault(phase=stands.value)
    await _held(desk, record.chain_id, account)
    return await desk.prepare_call(
        "WriteOff",
        {"id": record.chain_id, "account": account},
        kind=WRITE_OFF,
        subject=f"receivable:{record.id}",
        account=account,
        scope=Scope.ADJUST,
    )


async def allow_receipt(desk: Desk, record: ReceivableRecord, account: str, units: int) -> ActionRecord:
    """Consents once that `account` receives up to `units` of this receivable."""
    await confirmed(desk, record.chain_id)
    return await desk.prepare_call(
        "AllowReceipt",
        {"id": record.chain_id, "account": account, "units": units},
        kind=RECEIPT,
        subject=f"receivable:{record.id}",
        account=account,
        scope=Scope.TRANSFER,
    )


async def notes(desk: Desk, record: ReceivableRecord) -> list[Note]:
    """What was said about a receivable the caller may see, oldest first."""
    if record.stage == "draft" and record.party_id != desk.caller.party_id:
        raise NotFound()
    return list(await repository.notes(desk.session, desk.ledger_id, record.id))


async def _held(desk: Desk, key: str, account: str) -> int:
    held = await repository.holding(desk.session, desk.ledger_id, key, account)
    if held is None or not held.units:
        raise NotEnoughUnits(units=1, held=0)
    return held.unpaid


async def _within(desk: Desk, state: ReceivableState, account: str, amount: int) -> None:
    """Raises NotEnoughUnits or MoreThanUnpaid when the account's units do not carry the amount."""
    unpaid = await _held(desk, state.id, account)
    if amount > unpaid:
        raise MoreThanUnpaid(amount=amount, unpaid=unpaid)
