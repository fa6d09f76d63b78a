"""From an invoice to a confirmed receivable: one use case a function, each in the caller's transaction.

    draft ──the supplier signs──► put_forward ──the debtor signs the same terms──► agreed ──► on the chain
      └──────────────── withdrawn (supplier) · rejected (debtor) ────────────────┘

Issue and confirmation go to the chain in one call, so what is refused never shows there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from eth_utils.crypto import keccak
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox
from backend.chain.actions import Actions, SignedAction, relay_of
from backend.chain.contracts import Call, Relay
from backend.chain.repository import ActionRecord, Operation
from backend.invoices import answers
from backend.invoices.service import InvoiceFacts, mark_in_use, recheck_all, require_filing
from backend.kit.access import Role
from backend.kit.clock import now
from backend.kit.problems import FieldError, InvalidRequest, NotFound, Problem
from backend.parties.service import account_in_role, get_party
from backend.receivables import calendar, repository
from backend.receivables.calendar import BusinessDayRule, CalendarError
from backend.receivables.currencies import for_new_business
from backend.receivables.desk import Desk, Scope
from backend.receivables.model import ZERO_HASH, Terms
from backend.receivables.repository import Invitation, ReceivableRecord
from backend.signing.statements import UNDERTAKINGS

ISSUE, CONFIRM = "receivable.issue", "receivable.confirm"
_SUPPLIER_ROLE, _DEBTOR_ROLE = 1 << 0, 1 << 1
_MAX_AMOUNT = 2**64 - 1


class SameInvoice(Problem):
    """The debtor already has a claim for this invoice before it; which, and whose, is not said."""

    status, code = 409, "same-invoice"


class NotTheSeller(Problem):
    """The invoice's seller is another party than the caller's."""

    status, code = 403, "not-the-seller"


class NotFinanceable(Problem):
    """The invoice failed a gate; `errors` says which."""

    status, code = 422, "not-financeable"


class BuyerUnknown(Problem):
    """The invoice's buyer is no admitted party, so nobody could confirm it."""

    status, code = 422, "buyer-unknown"


class NoAccount(Problem):
    """A party has no account on this ledger that may do this."""

    status, code = 422, "no-account"


class DueDateMissing(Problem):
    """The invoice names no due date and the request neither."""

    status, code = 422, "due-date-missing"


class PastDue(Problem):
    """What is past due cannot be confirmed."""

    status, code = 422, "past-due"


class TenorTooLong(Problem):
    """Due later than the longest tenor allows."""

    status, code = 422, "tenor-too-long"


class WrongStage(Problem):
    """The receivable is not in the stage this needs."""

    status, code = 409, "wrong-stage"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the supplier proposes beyond what the invoice says."""

    due_date: date | None = None
    amount: int | None = None
    time_zone: str = "UTC"
    business_day_rule: BusinessDayRule = BusinessDayRule.FOLLOWING
    calendar: str = "WEEKENDS"
    undertaking: int = 1
    grace_days: int = 30
    late_rate: int = 0
    rules: str = ZERO_HASH


async def draft(desk: Desk, invoice: InvoiceFacts, wishes: Wishes) -> ReceivableRecord:
    """A draft receivable from an invoice of the caller's own. Refuses early what debtor or chain would
    refuse."""
    desk.caller.require(Role.MAKER, Role.CHECKER)
    if invoice.seller_party_id != desk.caller.party_id:
        raise NotTheSeller(number=invoice.number)
    if invoice.obstacles:
        raise NotFinanceable(errors=invoice.obstacles, number=invoice.number)
    if invoice.buyer_party_id is None:
        raise BuyerUnknown(buyer=invoice.buyer_name)
    terms, due = await _terms(desk, invoice, invoice.buyer_party_id, wishes)
    record = ReceivableRecord(
        ledger_id=desk.ledger_id,
        party_id=desk.caller.party_id,
        debtor_party_id=invoice.buyer_party_id,
        invoice_id=invoice.id,
        supplier_account=terms.supplier,
        debtor_account=terms.debtor,
        fingerprint=terms.fingerprint,
        terms=terms.message(),
        chain_id=terms.id,
        other_fingerprints=list(invoice.fingerprints[1:]),
        due_date=due.isoformat(),
        time_zone=wishes.time_zone,
        business_day_rule=wishes.business_day_rule.value,
        calendar=wishes.calendar,
        open=True,
        stage="draft",
    )
    if await repository.is_claimed(desk.session, desk.ledger_id, terms.debtor, invoice.fingerprints):
        raise SameInvoice(number=invoice.number)
    desk.session.add(record)
    try:
        await desk.session.flush()
    except IntegrityError as error:
        raise SameInvoice(number=invoice.number) from error
    await mark_in_use(desk.session, desk.ledger_id, invoice.id)
    return record


async def _terms(desk: Desk, invoice: InvoiceFacts, debtor: UUID, wishes: Wishes) -> tuple[Terms, date]:
    currency = await for_new_business(desk.session, desk.ledger_id, invoice.currency)
    amount = invoice.payable if wishes.amount is None else wishes.amount
    if not 0 < amount <= min(invoice.payable, _MAX_AMOUNT):
        raise _malformed("/amount", "amount-out-of-range", limit=invoice.payable)
    due = wishes.due_date or invoice.due_date
    if due is None:
        raise DueDateMissing(number=invoice.number)
    try:
        end = calendar.due_end(due, wishes.time_zone, wishes.business_day_rule, wishes.calendar)
    except CalendarError as error:
        raise InvalidRequest(errors=[FieldError("/time_zone", "malformed", detail=str(error))]) from error
    check_tenor(end, wishes.time_zone)
    supplier = await account_in_role(desk.session, desk.ledger_id, desk.caller.party_id, _SUPPLIER_ROLE)
    buyer = await account_in_role(desk.session, desk.ledger_id, debtor, _DEBTOR_ROLE)
    if supplier is None or buyer is None:
        raise NoAccount(role="supplier" if supplier is None else "debtor")
    others = b"".join(bytes.fromhex(each[2:]) for each in invoice.fingerprints[1:])
    terms = Terms(
        supplier=supplier,
        debtor=buyer,
        token=currency.token,
        currency=currency.code,
        amount=amount,
        dueEnd=end,
        graceDays=wishes.grace_days,
        lateRate=wishes.late_rate,
        undertaking=wishes.undertaking,
        paymentOrder=0,
        keySet=invoice.key_set,
        fingerprint=invoice.fingerprints[0],
        otherFingerprints="0x" + keccak(others).hex() if others else ZERO_HASH,
        documentRoot=invoice.document_root,
        rules=wishes.rules,
    )
    return terms, due


def check_tenor(due_end: int, time_zone: str) -> None:
    """Raises PastDue or TenorTooLong where the contract would."""
    moment = int(now().timestamp())
    shown = calendar.due_date(due_end, time_zone).isoformat()
    if due_end < moment:
        raise PastDue(due_date=shown)
    if calendar.tenor_days(due_end, moment) > calendar.TENOR_DEFAULT_DAYS:
        raise TenorTooLong(due_date=shown, limit=calendar.TENOR_DEFAULT_DAYS)


async def prepare_issue(desk: Desk, record: ReceivableRecord) -> ActionRecord:
    """What the supplier signs to put its draft forward."""
    _require(record, "draft")
    return await desk.prepare(
        "IssueAndConfirm",
        record.terms,
        kind=ISSUE,
        subject=f"receivable:{record.id}",
        account=record.supplier_account,
        scope=Scope.ISSUE,
        effect={"receivable": str(record.id)},
        parts=1 + len(record.other_fingerprints),
    )


async def prepare_confirmation(desk: Desk, record: ReceivableRecord) -> ActionRecord:
    """What the debtor signs: the terms as the supplier put them forward, and its undertaking to pay."""
    _require(record, "put_forward")
    check_tenor(record.terms["dueEnd"], record.time_zone)
    return await desk.prepare(
        "Confirmation",
        {"statement": UNDERTAKINGS[record.terms["undertaking"]], "terms": record.terms},
        kind=CONFIRM,
        subject=f"receivable:{record.id}",
        account=record.debtor_account,
        scope=Scope.CONFIRM,
        effect={"receivable": str(record.id)},
    )


async def revive(session: AsyncSession, record: ReceivableRecord) -> None:
    """Makes a receivable whose way to the chain failed a draft again, so that both sides can sign anew."""
    failed = record.stage == "agreed" and await outbox.has_failed(session, record.operation_id)
    if failed and await repository.state(session, record.ledger_id, record.chain_id) is None:
        record.stage, record.issue, record.confirmation = "draft", None, None


async def invite(desk: Desk, record: ReceivableRecord, guest: UUID) -> None:
    """Shows the receivable to another party of the ledger; inviting twice changes nothing."""
    await get_party(desk.session, desk.ledger_id, guest)
    if await repository.invitation(desk.session, record.id, guest) is None:
        desk.session.add(
            Invitation(
                ledger_id=desk.ledger_id,
                party_id=desk.caller.party_id,
                receivable_id=record.id,
                guest_party_id=guest,
            )
        )
        await desk.session.flush()


async def recheck_sale(session: AsyncSession, ledger_id: UUID, keys: Collection[str], seller: str) -> None:
    """Compares the invoices behind what its own supplier sells once more. Raises InvoiceHeld, FilingMissing.

    A later holder's sale is not stopped: what was confirmed and sold to it is settled.
    """
    supplied = await repository.supplied(session, ledger_id, keys, seller)
    for problem in (await recheck_all(session, ledger_id, [each.invoice_id for each in supplied])).values():
        raise problem
    for each in supplied:
        await require_filing(session, ledger_id, each.invoice_id)


async def rests_on(session: AsyncSession, ledger_id: UUID, invoice_id: UUID) -> bool:
    """Whether a receivable made of the invoice is still open, on its way, or owed."""
    return await repository.rests_on(session, ledger_id, invoice_id)


async def reject(desk: Desk, record: ReceivableRecord, reason: str) -> None:
    """The debtor turns down what was put forward; nothing of it was or will be on the chain."""
    desk.caller.require(Role.CHECKER)
    _require(record, "put_forward")
    record.stage, record.open, record.reason = "rejected", False, reason
    await desk.session.flush()


async def withdraw(desk: Desk, record: ReceivableRecord, reason: str) -> None:
    """The supplier takes back what the debtor has not signed."""
    desk.caller.require(Role.CHECKER)
    _require(record, "draft", "put_forward")
    record.stage, record.open, record.reason = "withdrawn", False, reason
    await desk.session.flush()


def _require(record: ReceivableRecord, *stages: str) -> None:
    if record.stage not in stages:
        raise WrongStage(stage=record.stage, needed=" / ".join(stages))


def _malformed(pointer: str, code: str, **params: object) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError(pointer, code, params)])


class SignedHandlers:
    """What signatures of issue and confirmation set going; `app.py` registers them with the mechanism."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        actions.register_many(ISSUE, self.issued)
        actions.register_many(CONFIRM, self.confirmed)

    async def issued(
        self, session: AsyncSession, signed: Sequence[SignedAction]
    ) -> Sequence[Operation | Problem | None]:
        """Keeps the supplier's signatures until the debtor has signed the same terms."""
        records, refused = await _records(session, signed, "draft")
        for (action, signatures), record in zip(signed, records, strict=True):
            if record is not None:
                record.issue = relay_of(action, signatures).to_json()
                record.stage = "put_forward"
        return refused

    async def confirmed(
        self, session: AsyncSession, signed: Sequence[SignedAction]
    ) -> Sequence[Operation | Problem | None]:
        """Sends both sides' signatures of each claim to the chain in one call."""
        records, found = await _records(session, signed, "put_forward")
        held = await recheck_all(
            session, signed[0][0].ledger_id, [each.invoice_id for each in records if each]
        )
        going: list[tuple[int, ReceivableRecord, dict[str, Any]]] = []
        calls = []
        for place, ((action, signatures), record) in enumerate(zip(signed, records, strict=True)):
            if record is None:
                continue
            if (problem := held.get(record.invoice_id)) is not None:
                found[place] = problem
                continue
            confirmation = _confirmation(relay_of(action, signatures), record)
            calls.append((action, self._call(record, confirmation)))
            going.append((place, record, confirmation))
        operations = await self.actions.enqueue_all(session, calls)
        for (place, record, confirmation), operation in zip(going, operations, strict=True):
            found[place] = operation
            if isinstance(operation, Operation):
                record.confirmation = {**confirmation, "nonce": str(confirmation["nonce"])}
                record.stage, record.operation_id = "agreed", operation.id
                action = signed[place][0]
                await answers.signed(
                    session,
                    record.ledger_id,
                    record.invoice_id,
                    action.user_id,
                    int(record.terms["amount"]),
                    date.fromisoformat(record.due_date),
                )
        return found

    def _call(self, record: ReceivableRecord, confirmation: dict[str, Any]) -> Call:
        contract = self.actions.contracts["Receivables"]
        arguments = {"terms": record.terms, "confirmation": confirmation}
        data = contract.abi.function("issueAndConfirm").encode(arguments)
        assert record.issue is not None  # noqa: S101 -- put_forward means that it is there
        return Call(contract.name, contract.address, data, Relay.from_json(record.issue))


async def _records(
    session: AsyncSession, signed: Sequence[SignedAction], stage: str
) -> tuple[list[ReceivableRecord | None], list[Operation | Problem | None]]:
    """The receivable of each action, locked; beside those that are not in `stage`, why they are refused."""
    ids = [UUID(action.effect["receivable"]) for action, _ in signed]
    rows = await repository.locked(session, signed[0][0].ledger_id, ids)
    records: list[ReceivableRecord | None] = []
    refused: list[Operation | Problem | None] = []
    taken: set[UUID] = set()
    for each in ids:
        record = rows.get(each)
        problem: Problem | None = NotFound() if record is None else None
        if record is not None and (record.stage != stage or each in taken):
            problem = WrongStage(stage=record.stage, needed=stage)
        taken.add(each)
        records.append(None if problem else record)
        refused.append(problem)
    return records, refused


def _confirmation(relay: Relay, record: ReceivableRecord) -> dict[str, Any]:
    """What the debtor signed, as the contract takes it."""
    return {
        "signer": relay.signer,
        "nonce": relay.nonce,
        "deadline": relay.deadline,
        "otherFingerprints": record.other_fingerprints,
        "signature": relay.signature,
        "cosignature": relay.cosignature,
    }
