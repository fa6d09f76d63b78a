"""A receivable: the terms its debtor signs, its id, and what its events say of it.

Amounts are minor units of the terms' currency; times are Unix seconds. Everything here is pure: the same
events always give the same state, which is what lets the read model be dropped and built again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Protocol

from eth_hash.auto import keccak

from backend.receivables.accounting import Ledger
from backend.receivables.calendar import DAY
from backend.signing.statements import TERMS

ZERO_ADDRESS = "0x" + "00" * 20
ZERO_HASH = "0x" + "00" * 32


class Status(StrEnum):
    """The states the contract stores (`contracts/types/Receivable.sol`)."""

    ISSUED = "issued"
    CONFIRMED = "confirmed"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    WRITTEN_OFF = "written_off"


class Phase(StrEnum):
    """Where a receivable stands in time; follows from status, time and payments and is never stored."""

    ISSUED = "issued"
    NOT_YET_DUE = "not_yet_due"
    DUE_TODAY = "due_today"
    OVERDUE = "overdue"
    IN_DEFAULT = "in_default"
    SETTLED = "settled"
    RECOVERED = "recovered"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    WRITTEN_OFF = "written_off"


class EventsContradict(Exception):
    """Events that no life of a receivable can have: the index, or this module, is wrong."""


@dataclass(frozen=True)
class Terms:
    """The immutable terms (`contracts/types/Terms.sol`), member for member and in that order.

    Addresses are checksummed, hashes 0x-hex; `currency` is an ISO 4217 code; `lateRate` is in millionths a
    year.
    """

    supplier: str
    debtor: str
    token: str
    currency: str
    amount: int
    dueEnd: int  # noqa: N815 -- the contract's name, which is signed
    graceDays: int  # noqa: N815
    lateRate: int  # noqa: N815
    undertaking: int
    paymentOrder: int  # noqa: N815
    keySet: int  # noqa: N815
    fingerprint: str
    otherFingerprints: str  # noqa: N815
    documentRoot: str  # noqa: N815
    rules: str

    def message(self) -> dict[str, Any]:
        """The terms as typed data and as the contract's argument: the currency in three bytes."""
        message = dict(zip(_MEMBERS, _values(self), strict=True))
        message["currency"] = "0x" + self.currency.encode().hex()
        return message

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> "Terms":
        """The inverse of `message`; the arguments of the event `Issued` are the same, and the id."""
        code = bytes.fromhex(message["currency"][2:8]).decode("ascii")
        return cls(**{**{name: message[name] for name in _MEMBERS}, "currency": code})

    @property
    def id(self) -> str:
        """The receivable's id on the chain: EIP-712 `hashStruct` of the terms."""
        words = [_TERMS_TYPE]
        for member, value in zip(_MEMBERS, _values(self), strict=True):
            if member == "currency":
                words.append(value.encode().ljust(32, b"\0"))
            elif isinstance(value, int):
                words.append(value.to_bytes(32, "big"))
            else:
                words.append(bytes.fromhex(value[2:]).rjust(32, b"\0"))
        return "0x" + keccak(b"".join(words)).hex()


_MEMBERS = tuple(member.name for member in fields(Terms))
_values = attrgetter(*_MEMBERS)
_TERMS_TYPE = keccak(f"Terms({TERMS})".encode())


class ChainEvent(Protocol):
    """What is needed of an event: its name, its arguments and when its block was made."""

    @property
    def contract(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def args(self) -> Mapping[str, Any]: ...
    @property
    def block_time(self) -> datetime: ...


@dataclass
class State:
    """All that the events of one receivable add up to."""

    terms: Terms
    status: Status
    issued_at: int
    confirmed_at: int | None = None
    settled_at: int | None = None
    replaced_by: str | None = None
    was_written_off: bool = False
    interest_paid: int = 0
    ledger: Ledger = field(default_factory=lambda: Ledger(0))
    redeemed: dict[str, int] = field(default_factory=dict)

    def phase(self, now: int) -> Phase:
        """Where it stands at `now`."""
        return phase(self.status, self.terms.dueEnd, self.terms.graceDays, self.was_written_off, now)

    @property
    def holders(self) -> list[str]:
        """Accounts that hold units, or are still owed money from units they held."""
        return [h for h, lot in self.ledger.lots.items() if lot.units or self.ledger.redeemable(h)]


def phase(status: Status, due_end: int, grace_days: int, was_written_off: bool, now: int) -> Phase:
    """Where a receivable with this stored status stands at `now`: overdue the second after `due_end`."""
    if status is Status.SETTLED:
        return Phase.RECOVERED if was_written_off else Phase.SETTLED
    if status is not Status.CONFIRMED:
        return Phase(status.value)
    if now > due_end + grace_days * DAY:
        return Phase.IN_DEFAULT
    if now > due_end:
        return Phase.OVERDUE
    return Phase.DUE_TODAY if now > due_end - DAY else Phase.NOT_YET_DUE


def fold(events: Iterable[ChainEvent]) -> State | None:
    """The state that `events` of one receivable, oldest first, add up to; None when there are none, or when
    they are of a disputed lot, which is no receivable of its own.

    Raises `EventsContradict` when they cannot be one receivable's.
    """
    state: State | None = None
    for event in events:
        moment = int(event.block_time.timestamp())
        if event.name == "Issued":
            terms = Terms.from_message(event.args)
            if state is not None or event.args["id"] != terms.id:
                raise EventsContradict(
                    f"{event.args['id']} was issued twice, or under terms with another hash"
                )
            state = State(terms, Status.ISSUED, moment, ledger=Ledger.opened(terms.amount, terms.supplier))
        elif state is None:
            return None
        else:
            _apply(state, event.name, event.args, moment)
    return state


_FINAL = {"Cancelled": Status.CANCELLED, "Rejected": Status.CANCELLED, "Replaced": Status.REPLACED}


def _apply(state: State, name: str, args: Mapping[str, Any], moment: int) -> None:
    match name:
        case "Confirmed":
            state.status, state.confirmed_at = Status.CONFIRMED, moment
        case "Cancelled" | "Rejected" | "Replaced":
            state.status, state.replaced_by = _FINAL[name], args.get("by")
            state.ledger.retire(state.terms.supplier)
        case "Settled":
            _settle(state, moment)
        case "Paid" if args["settled"]:
            _apply_money(state, name, args)
            _settle(state, moment)
        case "WrittenOff":
            state.status, state.was_written_off = Status.WRITTEN_OFF, True
        case "TransferSingle":
            _move(state, args["from"], args["to"], args["value"])
        case _:
            _apply_money(state, name, args)


def _settle(state: State, moment: int) -> None:
    state.status, state.settled_at = Status.SETTLED, moment
    state.ledger.settled = True


def _apply_money(state: State, name: str, args: Mapping[str, Any]) -> None:
    ledger = state.ledger
    match name:
        case "Paid":
            state.interest_paid += args["interest"]
            if args["face"]:
                ledger.pay(args["face"])
            _same(ledger.unpaid, args["unpaid"], "unpaid")
        case "Redeemed":
            _same(ledger.redeem(args["account"]), args["face"], "redeemed")
            state.redeemed[args["account"]] = state.redeemed.get(args["account"], 0) + args["face"]
        case "Unlocked":
            ledger.release(args["lock"], args["to"])
        case "Disputed":
            ledger.set_aside(state.terms.supplier, args["amount"], args["units"])
        case "Reduced":
            _same(ledger.reduce(args["account"], args["amount"]), args["units"], "units reduced")
        case "ClosedOutside":
            _same(ledger.close(args["account"], args["amount"]), args["units"], "units closed")


def _same(here: int, there: int, what: str) -> None:
    if here != there:
        raise EventsContradict(f"{what}: {here} by the rules, {there} on the chain")


def _move(state: State, giver: str, taker: str, units: int) -> None:
    if ZERO_ADDRESS not in (giver, taker):
        if units:
            state.ledger.move(giver, taker, units)
    elif giver != ZERO_ADDRESS and state.status is Status.SETTLED:
        state.ledger.retire(giver)
    # Other units begin with Issued and end with Reduced, ClosedOutside or Cancelled, which say more.
