"""What the API shows of receivables. Amounts are integers of the currency's minor unit, beside them as
text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backend.kit import messages, money
from backend.kit.access import Caller
from backend.kit.clock import now
from backend.kit.columns import address
from backend.receivables.deliveries import Delivered
from backend.receivables.model import Status, phase
from backend.receivables.repository import Holding, ReceivableRecord, ReceivableState, TimelineEntry

ID = "0190b8a7-5c00-7000-8000-000000000001"
HASH = "0x" + "5a" * 32
ACCOUNT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


AddressText = Annotated[str, AfterValidator(address)]
"""An address, kept with its checksum; anything else is refused."""


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class Money(View):
    """An amount: `minor` is exact, `text` is for people."""

    minor: int = Field(examples=[5_950_000])
    text: str = Field(examples=["59500.00"])
    currency: str = Field(examples=["EUR"])


class SideView(View):
    """A party to the receivable."""

    party_id: UUID = Field(examples=[ID])
    account: str = Field(examples=[ACCOUNT])
    name: str | None = Field(examples=["Example Pumps Limited"])


class HoldingView(View):
    """What an account has of a receivable."""

    receivable: str = Field(examples=[HASH])
    account: str = Field(examples=[ACCOUNT])
    units: int = Field(examples=[5_950_000], description="Minor units of original face value.")
    unpaid: Money
    redeemable: Money
    redeemed: Money


class ChainView(View):
    """What the chain says, as far as the index has come."""

    status: str = Field(examples=["confirmed"])
    phase: str = Field(examples=["not_yet_due"])
    face: Money
    unpaid: Money
    paid: Money
    closed_outside: Money
    reduced: Money
    redeemed: Money
    late_interest_paid: Money
    issued_at: datetime
    confirmed_at: datetime | None
    settled_at: datetime | None
    replaced_by: str | None


class GoodsView(View):
    """An article of the invoice against its deliveries. Quantities are decimal text in `unit`; null where it
    cannot be told, and `doubt` says why."""

    lines: str = Field(examples=["1"], description="Numbers of the invoice's lines.")
    name: str | None = Field(examples=["Pump housing"])
    gtin: str | None = Field(examples=["09520000000400"])
    unit: str | None = Field(examples=["H87"], description="UN/ECE Recommendation 20.")
    billed: str | None = Field(examples=["40"])
    received: str | None = Field(
        examples=["40"], description="By your own receipt events, over all deliveries, without returns."
    )
    confirmed_before: str | None = Field(
        examples=["0"], description="Billed for the same deliveries by claims you confirmed already."
    )
    enough: bool | None = Field(description="Whether what is left of the deliveries covers the bill.")
    doubt: str | None = Field(examples=[None])
    words: dict[str, str]


class ReceivableView(View):
    """A receivable from draft to archive. `chain` is null until the chain has it."""

    id: UUID = Field(examples=[ID])
    chain_id: str = Field(examples=[HASH], description="Its id on the chain: the hash of its terms.")
    invoice_id: UUID = Field(examples=[ID])
    stage: Literal["draft", "put_forward", "agreed", "rejected", "withdrawn"]
    reason: str | None
    supplier: SideView
    debtor: SideView
    amount: Money
    due_date: date
    due_end: datetime = Field(description="The second that ends the due date where the debtor is.")
    time_zone: str = Field(examples=["Europe/Berlin"])
    undertaking: Literal["acknowledged", "irrevocable"]
    grace_days: int
    late_rate: int = Field(description="Millionths a year.")
    terms: dict[str, Any] = Field(description="What both sides sign, member for member.")
    chain: ChainView | None
    holdings: Sequence[HoldingView] = Field(description="What your own accounts have of it.")
    goods: Sequence[GoodsView] | None = Field(
        default=None, description="Before you confirm as debtor: what was delivered and confirmed already."
    )
    created_at: datetime
    links: dict[str, str]


class TimelineView(View):
    """One event in a receivable's life."""

    name: str = Field(examples=["Confirmed"])
    time: datetime
    block_number: int
    tx_hash: str = Field(examples=[HASH])
    args: dict[str, Any]


def amount(minor: int, currency: str) -> Money:
    """`minor` units as they are shown."""
    return Money(minor=minor, text=money.text(minor, currency), currency=currency)


def holding_view(holding: Holding, currency: str) -> HoldingView:
    """A holding as it is shown."""
    return HoldingView(
        receivable=holding.receivable,
        account=holding.account,
        units=holding.units,
        unpaid=amount(holding.unpaid, currency),
        redeemable=amount(holding.redeemable, currency),
        redeemed=amount(holding.redeemed, currency),
    )


def timeline_view(entry: TimelineEntry) -> TimelineView:
    """A timeline entry as it is shown."""
    return TimelineView(
        name=entry.name,
        time=entry.time,
        block_number=entry.block_number,
        tx_hash=entry.tx_hash,
        args={key: str(value) if isinstance(value, int) else value for key, value in entry.args.items()},
    )


def goods_view(goods: Delivered) -> GoodsView:
    """An article and its deliveries as they are shown."""
    unit = goods.unit or ""
    billed, received, before = (
        None if each is None else format(each.normalize(), "f")
        for each in (goods.billed, goods.received, goods.confirmed)
    )
    params = {"name": goods.name or goods.gtin or goods.lines, "unit": unit}
    params |= {"billed": billed or "?", "received": received or "?", "confirmed": before or "?"}
    code = f"goods-{goods.doubt}" if goods.doubt else "goods-enough" if goods.enough else "goods-short"
    return GoodsView(
        lines=goods.lines,
        name=goods.name,
        gtin=goods.gtin,
        unit=goods.unit,
        billed=billed,
        received=received,
        confirmed_before=before,
        enough=goods.enough,
        doubt=goods.doubt,
        words={locale: messages.text(code, locale, **params) for locale in messages.LOCALES},
    )


def chain_view(state: ReceivableState) -> ChainView:
    """What the chain says, with the phase at this moment."""
    status, code = Status(state.status), state.currency
    due_end = int(state.due_end.timestamp())
    return ChainView(
        status=status.value,
        phase=phase(status, due_end, state.grace_days, state.was_written_off, int(now().timestamp())).value,
        face=amount(state.face, code),
        unpaid=amount(state.unpaid, code),
        paid=amount(state.paid, code),
        closed_outside=amount(state.closed, code),
        reduced=amount(state.reduced, code),
        redeemed=amount(state.redeemed, code),
        late_interest_paid=amount(state.interest_paid, code),
        issued_at=state.issued_at,
        confirmed_at=state.confirmed_at,
        settled_at=state.settled_at,
        replaced_by=state.replaced_by,
    )


def receivable_view(
    record: ReceivableRecord,
    state: ReceivableState | None,
    holdings: Sequence[Holding],
    names: Mapping[str, str],
    caller: Caller,
) -> ReceivableView:
    """A receivable as the caller may see it: holdings of other parties are theirs, except to who sees
    everything."""
    terms, place = record.terms, f"/v1/receivables/{record.id}"
    code = bytes.fromhex(terms["currency"][2:]).decode()
    links = {"self": place, "timeline": f"{place}/timeline", "invoice": f"/v1/invoices/{record.invoice_id}"}
    if record.stage == "draft" and caller.party_id == record.party_id:
        links["issue"] = f"{place}/issue"
    if record.stage == "put_forward" and caller.party_id == record.debtor_party_id:
        links |= {"confirmation": f"{place}/confirmation", "rejection": f"{place}/rejection"}
    return ReceivableView(
        id=record.id,
        chain_id=record.chain_id,
        invoice_id=record.invoice_id,
        stage=record.stage,
        reason=record.reason,
        supplier=SideView(
            party_id=record.party_id,
            account=record.supplier_account,
            name=names.get(record.supplier_account),
        ),
        debtor=SideView(
            party_id=record.debtor_party_id,
            account=record.debtor_account,
            name=names.get(record.debtor_account),
        ),
        amount=amount(terms["amount"], code),
        due_date=date.fromisoformat(record.due_date),
        due_end=datetime.fromtimestamp(terms["dueEnd"], UTC),
        time_zone=record.time_zone,
        undertaking="irrevocable" if terms["undertaking"] else "acknowledged",
        grace_days=terms["graceDays"],
        late_rate=terms["lateRate"],
        terms=terms,
        chain=chain_view(state) if state else None,
        holdings=[holding_view(each, code) for each in holdings],
        created_at=record.created_at,
        links=links,
    )
