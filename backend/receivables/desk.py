"""Prepares what parties sign about receivables: typed data, and its words from the same code the signer
uses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from eth_utils.address import is_address
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.actions import Actions, relayed
from backend.chain.repository import ActionRecord
from backend.kit.access import Caller
from backend.kit.clock import now
from backend.kit.messages import LOCALES
from backend.parties.service import names_of_accounts
from backend.signing.ledger import Ledger
from backend.signing.statements import STATEMENTS, Statement
from backend.signing.typed import build, check
from backend.signing.words import summary


class Scope(IntEnum):
    """What a key may do for an account (`contracts/types/Account.sol`)."""

    MANAGE = 1 << 0
    ISSUE = 1 << 1
    CONFIRM = 1 << 2
    TRANSFER = 1 << 3
    SELL = 1 << 4
    BUY = 1 << 5
    PAY = 1 << 6
    REDEEM = 1 << 7
    ADJUST = 1 << 8


LIFETIME = timedelta(days=7)
"""How long a prepared action can be signed and used."""
GAS_FLOORS = {
    "IssueAndConfirm": (260_000, 50_000),
    "Transfer": (135_000, 0),
    "Pay": (110_000, 0),
    "PayAsDebtor": (120_000, 0),
    "Redeem": (115_000, 0),
    "AllowReceipt": (100_000, 0),
    "Dispute": (300_000, 0),
    "EndDispute": (110_000, 0),
    "IssueCreditNote": (190_000, 0),
    "JoinCreditNote": (150_000, 0),
    "CloseOutside": (180_000, 0),
    "WaiveInterest": (100_000, 0),
    "WriteOff": (130_000, 0),
    "CancelOffer": (100_000, 10_000),
    "AcknowledgeCash": (200_000, 80_000),
    "DemandWarranty": (110_000, 10_000),
    "AnswerWarranty": (90_000, 10_000),
    "PerformRecourse": (330_000, 10_000),
    "SetStandingConsent": (80_000, 0),
    "Accept": (250_000, 65_000),
}
"""Gas that whoever sends a signed action must give it, and for each further fingerprint or parcel of it: half
as much again as `bench/gas.json` measures and new storage, so that no sender makes it fail by starving it.
What is not used is not paid for."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every use case needs: the transaction, who asks, and the mechanism that prepares and takes
    signatures."""

    session: AsyncSession
    caller: Caller
    actions: Actions
    ledger: Ledger

    @property
    def ledger_id(self) -> UUID:
        return self.caller.ledger_id

    def document(
        self, statement: Statement, message: Mapping[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        """Typed data of `statement` for its contract on this ledger, or for `token`."""
        if token is not None:
            name, contract = self.ledger.tokens[token].name, token
        else:
            domain = self.actions.contracts.domain(statement.contract)
            name, contract = domain["name"], domain["verifyingContract"]
        return build(statement, chain_id=self.ledger.chain_id, contract=contract, name=name, message=message)

    async def words(self, typed_data: Mapping[str, Any]) -> dict[str, str]:
        """What typed data says, in every language, with the parties' names; by the signer's own rules."""
        document = check(typed_data, self.ledger)
        names = await names_of_accounts(self.session, self.ledger_id, list(_addresses(document.message)))
        return {locale: "\n".join(summary(document, locale, names)) for locale in LOCALES}

    async def prepare(
        self,
        name: str,
        message: Mapping[str, Any],
        *,
        kind: str,
        subject: str,
        account: str,
        scope: Scope,
        effect: Mapping[str, Any],
        expires_at: datetime | None = None,
        token: str | None = None,
        parts: int = 1,
    ) -> ActionRecord:
        """Puts the statement `name` before the caller's party; what its signature does is the handler of
        `kind`.

        Members `nonce`, `deadline` and `gasFloor` that the statement has and `message` lacks are filled in.
        `parts`: how many fingerprints or parcels it is about.
        """
        statement = STATEMENTS[name]
        expires_at = (expires_at or now() + LIFETIME).replace(microsecond=0)
        members = {member for member, _ in statement.members}
        bounds: dict[str, Any] = {"deadline": int(expires_at.timestamp())}
        if "gasFloor" in members:
            first, each = GAS_FLOORS[name]
            bounds["gasFloor"] = first + (parts - 1) * each
        if "nonce" in members and "nonce" not in message:
            bounds["nonce"] = await self.actions.next_nonce(self.session, self.ledger_id, account)
        filled = {**{n: v for n, v in bounds.items() if n in members}, **message}
        typed_data = self.document(statement, filled, token=token)
        kept: dict[str, Any] = {n: str(filled[n]) for n in ("nonce", "deadline", "gasFloor") if n in filled}
        return await self.actions.prepare(
            self.session,
            self.caller,
            kind=kind,
            subject=subject,
            account=account,
            scope=scope,
            typed_data=typed_data,
            words=await self.words(typed_data),
            expires_at=expires_at,
            effect={**kept, **effect},
        )

    async def prepare_call(
        self, name: str, args: Mapping[str, Any], *, kind: str, subject: str, account: str, scope: Scope
    ) -> ActionRecord:
        """Puts the signed action `name` before the caller's party; its signature sends the function it names.

        `args` are the function's arguments in order; what is signed holds the members of a struct in its
        place, under the names of the statement, which need not be those of the compiled function.
        """
        statement = STATEMENTS[name]
        flat: dict[str, Any] = {}
        for key, value in args.items():
            flat.update(value if isinstance(value, Mapping) else {key: value})
        contract = self.actions.contracts[statement.contract]
        function = contract.abi.function(name[0].lower() + name[1:])
        action = await self.prepare(
            name, flat, kind=kind, subject=subject, account=account, scope=scope, effect={}
        )
        action.effect = relayed(
            statement.contract,
            function.encode(list(args.values())),
            nonce=int(action.effect["nonce"]),
            deadline=int(action.effect["deadline"]),
            gas_floor=int(action.effect["gasFloor"]),
        )
        await self.session.flush()
        return action


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, str) and is_address(value):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _addresses(member)
    elif isinstance(value, list):
        for item in value:
            yield from _addresses(item)
