"""What a party must sign: prepared here, signed elsewhere, brought back here. The server holds no party's
key.

    prepare ─► action (typed data, words, expiry) ─► a wallet or `tallystick sign` ─► signature ─► operation

What the signature sets going is the handler registered for the kind. An action that is one relayed call
(ISignedActions) needs none: its effect, made by `relayed`, says it all.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from eth_utils.crypto import keccak
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox, typed
from backend.chain.contracts import Call, Contracts, Relay
from backend.chain.repository import ActionNonce, ActionRecord, Operation
from backend.kit import messages
from backend.kit.access import Caller, visible_to
from backend.kit.columns import address
from backend.kit.problems import FieldError, InvalidRequest, NotFound, Problem

_RELAY = "relay"
_COUNTER_BITS = 64  # of a nonce's 256, below the hash of ledger and account


class ActionClosed(Problem):
    """The action was already signed, or withdrawn."""

    status, code = 409, "action-closed"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature whose form was checked and whose signer may act for the account."""

    signer: str
    signature: str


class SignerCheck(Protocol):
    """Whether `signer` holds a key with `scope` for `account` now, by the read model; the chain decides."""

    def __call__(
        self, session: AsyncSession, ledger_id: UUID, account: str, signer: str, scope: int
    ) -> Awaitable[bool]: ...


SignedAction: TypeAlias = tuple[ActionRecord, Sequence[Signature]]
"""An action with all its signatures."""
Handler = Callable[[AsyncSession, ActionRecord, Sequence[Signature]], Awaitable[Operation | None]]
"""Called when an action has all its signatures; answers the operation it set going, if any."""
ManyHandler = Callable[
    [AsyncSession, Sequence[SignedAction]], Awaitable[Sequence[Operation | Problem | None]]
]
"""The same for several at once; a Problem for one that is refused, of which nothing is written."""


@dataclass(slots=True)
class Actions:
    """The mechanism with what `app.py` hands in: the contracts, the parties' keys, the rooms' handlers."""

    contracts: Contracts
    may_sign: SignerCheck
    handlers: dict[str, ManyHandler] = field(default_factory=dict)

    def register(self, kind: str, handler: Handler) -> None:
        """Says what a signed action of `kind` sets going, where that is not a relayed call."""
        self.register_many(kind, _one_by_one(handler))

    def register_many(self, kind: str, handler: ManyHandler) -> None:
        """The same, for a handler that takes several at once."""
        if kind in self.handlers:
            raise ValueError(f"the kind {kind!r} already has a handler")
        self.handlers[kind] = handler

    async def prepare(
        self,
        session: AsyncSession,
        caller: Caller,
        *,
        kind: str,
        subject: str,
        account: str,
        scope: int,
        typed_data: Mapping[str, Any],
        words: Mapping[str, str],
        expires_at: datetime,
        effect: Mapping[str, Any] | None = None,
        party_id: UUID | None = None,
        signatures_needed: int = 1,
        links: Mapping[str, str] | None = None,
    ) -> ActionRecord:
        """Puts typed data before a party to sign for `account`.

        `words` say in each language what is being signed. `effect` is the handler's own note of what to do.
        The action belongs to the caller's party, or to `party_id` (a debtor asked to confirm).
        """
        if set(words) != set(messages.LOCALES):
            raise ValueError("an action needs its words in every language")
        record = ActionRecord(
            ledger_id=caller.ledger_id,
            party_id=party_id or caller.party_id,
            user_id=caller.user_id,
            kind=kind,
            subject=subject,
            account=address(account),
            scope=scope,
            typed_data=dict(typed_data),
            digest="0x" + typed.digest(typed_data).hex(),
            words=dict(words),
            expires_at=expires_at,
            signatures_needed=signatures_needed,
            effect=dict(effect or {}),
            links=dict(links or {}),
        )
        session.add(record)
        await session.flush()
        return record

    async def next_nonce(self, session: AsyncSession, ledger_id: UUID, account: str) -> int:
        """An unordered nonce that no other action of this ledger has, whichever keys will sign it.

        Contracts count nonces for each signer, and one key may act for several accounts here and on other
        ledgers: so the upper bits are a hash of ledger and account, and a counter of the account's stands
        below them. Neighbours share a storage word of 256, which keeps their gas low.
        """
        place = (ActionNonce.ledger_id == ledger_id, ActionNonce.account == address(account))
        advance = (
            update(ActionNonce).where(*place).values(next=ActionNonce.next + 1).returning(ActionNonce.next)
        )
        if (following := await session.scalar(advance)) is None:
            session.add(ActionNonce(ledger_id=ledger_id, account=address(account), next=1))
            await session.flush()
            following = 1
        space = keccak(ledger_id.bytes + bytes.fromhex(account[2:]))
        return (int.from_bytes(space, "big") >> _COUNTER_BITS << _COUNTER_BITS) | (following - 1)

    async def carry_out(
        self, session: AsyncSession, signed: Sequence[SignedAction]
    ) -> list[Operation | Problem | None]:
        """Sets going what actions with all their signatures were prepared for; a Problem for one that is
        refused, of which nothing is written."""
        by_kind: dict[str, list[int]] = {}
        for place, (action, _) in enumerate(signed):
            by_kind.setdefault(_RELAY if _is_relayed(action) else action.kind, []).append(place)
        found: list[Operation | Problem | None] = [None] * len(signed)
        for kind, places in by_kind.items():
            some = [signed[place] for place in places]
            handler = self._relay if kind == _RELAY else self.handlers[kind]
            for place, done in zip(places, await handler(session, some), strict=True):
                found[place] = done
        return found

    async def _relay(
        self, session: AsyncSession, signed: Sequence[SignedAction]
    ) -> Sequence[Operation | Problem]:
        return await self.enqueue_all(
            session, [(action, self._call(action, signatures)) for action, signatures in signed]
        )

    def _call(self, action: ActionRecord, signatures: Sequence[Signature]) -> Call:
        contract = self.contracts[action.effect["contract"]]
        data = bytes.fromhex(action.effect["data"][2:])
        return Call(contract.name, contract.address, data, relay_of(action, signatures))

    async def enqueue(self, session: AsyncSession, action: ActionRecord, call: Call) -> Operation:
        """Writes down the call a signed action sets going, once; for handlers too."""
        (operation,) = await self.enqueue_all(session, [(action, call)])
        if isinstance(operation, Problem):
            raise operation
        return operation

    async def enqueue_all(
        self, session: AsyncSession, calls: Sequence[tuple[ActionRecord, Call]]
    ) -> Sequence[Operation | Problem]:
        """The same for several."""
        return await outbox.enqueue_all(
            session,
            [
                outbox.Order(
                    call,
                    ledger_id=action.ledger_id,
                    party_id=action.party_id,
                    user_id=action.user_id,
                    kind=action.kind,
                    subject=action.subject,
                    idempotency_key=f"action:{action.id}",
                )
                for action, call in calls
            ],
        )


def _is_relayed(action: ActionRecord) -> bool:
    return action.effect.get("type") == _RELAY


def _one_by_one(handler: Handler) -> ManyHandler:
    """A handler of one as one of many: each in a savepoint, so that what it refuses leaves nothing behind."""

    async def many(
        session: AsyncSession, signed: Sequence[SignedAction]
    ) -> Sequence[Operation | Problem | None]:
        found: list[Operation | Problem | None] = []
        for action, signatures in signed:
            try:
                async with session.begin_nested():
                    found.append(await handler(session, action, signatures))
            except Problem as problem:
                found.append(problem)
        return found

    return many


def relay_of(action: ActionRecord, signatures: Sequence[Signature]) -> Relay:
    """The signed action as the contract takes it, for an action whose effect keeps nonce and bounds."""
    first, rest = signatures[0], signatures[1:]
    effect = action.effect
    return Relay(
        signer=first.signer,
        nonce=int(effect["nonce"]),
        deadline=int(effect["deadline"]),
        gas_floor=int(effect.get("gas_floor", effect.get("gasFloor", 0))),
        signature=first.signature,
        cosignature="0x" + "".join(each.signer[2:] + each.signature[2:] for each in rest),
    )


def relayed(contract: str, data: bytes, *, nonce: int, deadline: int, gas_floor: int) -> dict[str, Any]:
    """The effect of an action that calls `contract` with `data`, for whoever signed nonce, deadline and
    floor."""
    return {
        "type": _RELAY,
        "contract": contract,
        "data": "0x" + data.hex(),
        "nonce": str(nonce),
        "deadline": deadline,
        "gas_floor": gas_floor,
    }


async def get(session: AsyncSession, caller: Caller, action_id: UUID) -> ActionRecord:
    """An action the caller may see, or NotFound."""
    statement = select(ActionRecord).where(ActionRecord.id == action_id, visible_to(caller, ActionRecord))
    if (action := await session.scalar(statement)) is None:
        raise NotFound()
    return action


async def lock(session: AsyncSession, caller: Caller, action_id: UUID) -> ActionRecord:
    """An action of the caller's own party, held until the transaction ends; or NotFound."""
    action = (await lock_all(session, [action_id])).get(action_id)
    if action is None or not owns(caller, action):
        raise NotFound()
    return action


async def lock_all(session: AsyncSession, action_ids: Iterable[UUID]) -> dict[UUID, ActionRecord]:
    """These actions, whosever they are, held until the transaction ends; always locked in one order."""
    statement = select(ActionRecord).where(ActionRecord.id.in_(set(action_ids))).order_by(ActionRecord.id)
    return {each.id: each for each in await session.scalars(statement.with_for_update())}


def owns(caller: Caller, action: ActionRecord) -> bool:
    """Whether the action is of the caller's own party."""
    return (action.ledger_id, action.party_id) == (caller.ledger_id, caller.party_id)


async def withdraw(session: AsyncSession, action: ActionRecord) -> None:
    """Ends an action that was not signed. Raises ActionClosed."""
    if action.status != "prepared":
        raise ActionClosed(status=action.status)
    action.status = "withdrawn"
    await session.flush()


def listing(caller: Caller, *, status: str | None = None, subject: str | None = None) -> Any:
    """A statement for the actions the caller may see."""
    statement = select(ActionRecord).where(visible_to(caller, ActionRecord))
    if status is not None:
        statement = statement.where(ActionRecord.status == status)
    if subject is not None:
        statement = statement.where(ActionRecord.subject == subject)
    return statement


def describe(code: str, **params: Any) -> dict[str, str]:
    """The words of an action in every language, from the catalogue."""
    return {locale: messages.text(code, locale, **params) for locale in messages.LOCALES}


def malformed(pointer: str, detail: str) -> InvalidRequest:
    """An InvalidRequest about one place."""
    return InvalidRequest(errors=[FieldError(pointer, "malformed", detail=detail)])
