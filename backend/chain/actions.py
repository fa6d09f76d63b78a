"""What a party must sign: prepared here, signed elsewhere, brought back here. The server holds no party's
key.

    prepare ─► action (typed data, words, expiry) ─► a wallet or `tallystick sign` ─► signature ─► operation

What the signature sets going is the handler registered for the kind. An action that is one relayed call
(ISignedActions) needs none: its effect, made by `relayed`, says it all.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from eth_utils.crypto import keccak
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox, typed
from backend.chain.contracts import Call, Contracts, Relay
from backend.chain.repository import ActionNonce, ActionRecord, Operation
from backend.kit import messages
from backend.kit.access import Caller, Role, visible_to
from backend.kit.clock import now
from backend.kit.columns import address
from backend.kit.problems import FieldError, InvalidRequest, NotFound, Problem

_RELAY = "relay"
_COUNTER_BITS = 64  # of a nonce's 256, below the hash of ledger and account


class ActionClosed(Problem):
    """The action was already signed, or withdrawn."""

    status, code = 409, "action-closed"


class ActionExpired(Problem):
    """The time for signing has passed."""

    status, code = 410, "action-expired"


class SignatureMalformed(Problem):
    """The text is no signature of the form r, s, v in 65 bytes with a low s."""

    status, code = 422, "signature-malformed"


class SignerNotAuthorised(Problem):
    """The signature is good, but its key may not do this for the account."""

    status, code = 403, "signer-not-authorised"


class AlreadySignedBy(Problem):
    """Two different keys have to sign; this one did already."""

    status, code = 409, "already-signed-by"


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


Handler = Callable[[AsyncSession, ActionRecord, Sequence[Signature]], Awaitable[Operation | None]]
"""Called when an action has all its signatures; answers the operation it set going, if any."""


@dataclass(slots=True)
class Actions:
    """The mechanism with what `app.py` hands in: the contracts, the parties' keys, the rooms' handlers."""

    contracts: Contracts
    may_sign: SignerCheck
    handlers: dict[str, Handler] = field(default_factory=dict)

    def register(self, kind: str, handler: Handler) -> None:
        """Says what a signed action of `kind` sets going, where that is not a relayed call."""
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

    async def sign(
        self, session: AsyncSession, caller: Caller, action: ActionRecord, signature: str
    ) -> Operation | None:
        """Takes a signature of `action`; with the last one needed, sets going what was prepared.

        Raises ActionClosed, ActionExpired, SignatureMalformed, SignerNotAuthorised, AlreadySignedBy.
        """
        caller.require(Role.CHECKER)
        if action.status != "prepared":
            raise ActionClosed(status=action.status)
        if action.expires_at <= now():
            raise ActionExpired(expires_at=action.expires_at.isoformat())
        try:
            signer = typed.recover(bytes.fromhex(action.digest[2:]), signature)
        except typed.SignatureFormError as error:
            raise SignatureMalformed(
                errors=[FieldError("/signature", "malformed", detail=str(error))]
            ) from error
        if not await self.may_sign(session, action.ledger_id, action.account, signer, action.scope):
            raise SignerNotAuthorised(signer=signer, account=action.account)
        if any(each["signer"] == signer for each in action.signatures):
            raise AlreadySignedBy(signer=signer)
        action.signatures = [*action.signatures, {"signer": signer, "signature": signature}]
        if len(action.signatures) < action.signatures_needed:
            await session.flush()
            return None
        action.status, action.signed_at = "signed", now()
        operation = await self._carry_out(session, action)
        action.operation_id = operation.id if operation else None
        await session.flush()
        return operation

    async def _carry_out(self, session: AsyncSession, action: ActionRecord) -> Operation | None:
        signatures = [Signature(each["signer"], each["signature"]) for each in action.signatures]
        if action.effect.get("type") != _RELAY:
            return await self.handlers[action.kind](session, action, signatures)
        first, rest = signatures[0], signatures[1:]
        relay = Relay(
            signer=first.signer,
            nonce=int(action.effect["nonce"]),
            deadline=action.effect["deadline"],
            gas_floor=action.effect["gas_floor"],
            signature=first.signature,
            cosignature="0x" + "".join(each.signer[2:] + each.signature[2:] for each in rest),
        )
        contract = self.contracts[action.effect["contract"]]
        call = Call(contract.name, contract.address, bytes.fromhex(action.effect["data"][2:]), relay)
        return await self.enqueue(session, action, call)

    async def enqueue(self, session: AsyncSession, action: ActionRecord, call: Call) -> Operation:
        """Writes down the call a signed action sets going, once; for handlers too."""
        return await outbox.enqueue(
            session,
            call,
            ledger_id=action.ledger_id,
            party_id=action.party_id,
            user_id=action.user_id,
            kind=action.kind,
            subject=action.subject,
            idempotency_key=f"action:{action.id}",
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
    statement = select(ActionRecord).where(
        ActionRecord.id == action_id,
        ActionRecord.ledger_id == caller.ledger_id,
        ActionRecord.party_id == caller.party_id,
    )
    if (action := await session.scalar(statement.with_for_update())) is None:
        raise NotFound()
    return action


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
