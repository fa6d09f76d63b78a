"""Keeps the read model of receivables equal to the chain (see `chain/projections.py`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.projections import Event
from backend.kit.clock import from_unix
from backend.kit.database import Base
from backend.receivables import repository
from backend.receivables.model import State, fold
from backend.receivables.repository import PROJECTION, Holding, ReceivableState

_CONTRACTS = {"Receivables", "Fingerprints"}


class Receivables:
    """Folds the events that name a receivable into its state and its holdings."""

    name = PROJECTION

    def subjects(self, event: Event) -> Iterable[str]:
        """The receivables an event names."""
        return {key for key, _ in _by_receivable(event)}

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Makes the rows of each receivable what its events say."""
        rows: dict[type[Base], list[Mapping[str, Any]]] = {ReceivableState: [], Holding: []}
        for key, own in events.items():
            state = fold(events_about(key, own))
            if state is not None:
                rows[ReceivableState].append(_state_row(ledger_id, key, state))
                rows[Holding] += _holding_rows(ledger_id, key, state)
        await repository.replace_read_model(session, ledger_id, list(events), rows)


def _by_receivable(event: Event) -> list[tuple[str, Event]]:
    """The event once for each receivable it names, a batch of transfers as single ones."""
    if event.contract not in _CONTRACTS:
        return []
    if event.name == "TransferBatch":
        pairs = zip(event.args["ids"], event.args["values"], strict=True)
        return [
            (
                _hex(number),
                replace(event, name="TransferSingle", args={**event.args, "id": number, "value": value}),
            )
            for number, value in pairs
        ]
    named = event.args.get("id")
    if isinstance(named, int):
        return [(_hex(named), event)]
    return [(named, event)] if isinstance(named, str) else []


def events_about(key: str, events: Iterable[Event]) -> list[Event]:
    """What the events say of one receivable, a batch of transfers as single ones."""
    return [single for event in events for found, single in _by_receivable(event) if found == key]


def _hex(number: int) -> str:
    return f"0x{number:064x}"


def _state_row(ledger_id: UUID, key: str, state: State) -> dict[str, Any]:
    terms, ledger = state.terms, state.ledger
    return {
        "ledger_id": ledger_id,
        "id": key,
        "supplier": terms.supplier,
        "debtor": terms.debtor,
        "token": terms.token,
        "currency": terms.currency,
        "terms": terms.message(),
        "status": state.status.value,
        "was_written_off": state.was_written_off,
        "due_end": from_unix(terms.dueEnd),
        "grace_days": terms.graceDays,
        "face": ledger.face,
        "units": ledger.units,
        "unpaid": ledger.unpaid,
        "paid": ledger.paid,
        "closed": ledger.closed,
        "reduced": ledger.reduced,
        "redeemed": ledger.redeemed,
        "interest_paid": state.interest_paid,
        "issued_at": from_unix(state.issued_at),
        "confirmed_at": None if state.confirmed_at is None else from_unix(state.confirmed_at),
        "settled_at": None if state.settled_at is None else from_unix(state.settled_at),
        "replaced_by": state.replaced_by,
    }


def _holding_rows(ledger_id: UUID, key: str, state: State) -> list[dict[str, Any]]:
    return [
        {
            "ledger_id": ledger_id,
            "receivable": key,
            "account": account,
            "units": state.ledger.units_of(account),
            "unpaid": state.ledger.unpaid_share(account),
            "redeemable": state.ledger.redeemable(account),
            "redeemed": state.redeemed.get(account, 0),
        }
        for account in state.ledger.lots
    ]


class FingerprintRegister:
    """Keeps the slots that are taken equal to the chain."""

    name = "fingerprints"

    def subjects(self, event: Event) -> Iterable[str]:
        """The slot an event takes or points anew."""
        if event.name in {"FingerprintTaken", "FingerprintRepointed"}:
            yield f"{event.args['debtor']}/{event.args['fingerprint']}"

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Makes each slot point to what its last event says."""
        slots: list[tuple[str, str, str | None]] = []
        for key, own in events.items():
            debtor, _, fingerprint = key.partition("/")
            slots.append((debtor, fingerprint, own[-1].args["id"] if own else None))
        await repository.point_slots(session, ledger_id, slots)
