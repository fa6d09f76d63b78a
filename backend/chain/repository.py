"""The tables between the API and the chain: operations on their way out, events on their way in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.access import Owned
from backend.kit.clock import now
from backend.kit.columns import Address, Amount, Hash32, Json, UtcTime
from backend.kit.database import Base
from backend.kit.ids import uuid7

_PENDING = text("status = 'pending'")


class Operation(Owned, Base):
    """One thing the chain is to do: the outbox. Written in the transaction of the request that wants it."""

    __tablename__ = "operations"
    __table_args__ = (
        UniqueConstraint("ledger_id", "party_id", "idempotency_key"),
        Index("ix_operations_subject", "ledger_id", "subject", "id"),
        Index("ix_operations_party", "ledger_id", "party_id", "id"),
        Index("ix_operations_queue", "ledger_id", "id", sqlite_where=_PENDING, postgresql_where=_PENDING),
    )

    user_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(80))
    """What it is in the business's words, such as "receivable.confirm"."""
    subject: Mapped[str] = mapped_column(String(200))
    """What it is about, such as "receivable:0190…". Operations of one subject are sent in order."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    contract: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(Address)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """Calldata; for a relayed operation that of the signed action itself."""
    relayed: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Signer, nonce, deadline, signatures of a signed action; null for a call of the relayer's own."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)

    status: Mapped[str] = mapped_column(String(20), default="pending")
    sub_status: Mapped[str] = mapped_column(String(20), default="received")
    last_action: Mapped[str] = mapped_column(String(40), default="receive")
    last_action_at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    cancel_requested: Mapped[bool] = mapped_column(default=False)

    transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("transactions.id"), index=True)
    item: Mapped[int | None]
    """Its place among those packed into one transaction."""
    tries: Mapped[int] = mapped_column(default=0)
    """How often a transaction that carried it failed as a whole, through no fault of its own call."""


class Transaction(Base):
    """One nonce of one signer. Allocated, signed, accepted, mined and confirmed are different facts."""

    __tablename__ = "transactions"
    __table_args__ = (
        UniqueConstraint("ledger_id", "signer", "nonce"),
        Index("ix_transactions_status", "ledger_id", "status", "nonce"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    ledger_id: Mapped[UUID]
    signer: Mapped[str] = mapped_column(Address)
    nonce: Mapped[int] = mapped_column(BigInteger)
    target: Mapped[str] = mapped_column(Address)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    gas: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(20), default="allocated")
    freeing: Mapped[bool] = mapped_column(default=False)
    """A transaction that does nothing is being sent in its place, to free the nonce."""
    reopened: Mapped[bool] = mapped_column(default=False)
    """It was mined once and its block is gone; until it is back the chain's state is not what it was."""

    allocated_at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    signed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    mined_at: Mapped[datetime | None] = mapped_column(UtcTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcTime)

    mined_hash: Mapped[str | None] = mapped_column(Hash32)
    block_number: Mapped[int | None] = mapped_column(BigInteger)
    block_hash: Mapped[str | None] = mapped_column(Hash32)
    succeeded: Mapped[bool | None]
    gas_used: Mapped[int | None] = mapped_column(BigInteger)


class Attempt(Base):
    """One signed form of a transaction. Stored before it is ever sent; the same bytes can go out twice."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("ledger_id", "hash"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    ledger_id: Mapped[UUID]
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("transactions.id"), index=True)
    hash: Mapped[str] = mapped_column(Hash32)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    max_fee: Mapped[int] = mapped_column(Amount)
    tip: Mapped[int] = mapped_column(Amount)
    empty: Mapped[bool] = mapped_column(default=False)
    """It does nothing but use up the nonce."""
    signed_at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    sends: Mapped[int] = mapped_column(default=0)
    last_sent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_answer: Mapped[str | None] = mapped_column(String(300))


class Lane(Base):
    """A signer's queue: its next nonce, and the one worker that may allocate from it until its lease ends."""

    __tablename__ = "lanes"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    signer: Mapped[str] = mapped_column(Address, primary_key=True)
    next_nonce: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[datetime | None] = mapped_column(UtcTime)


class ActionRecord(Owned, Base):
    """Something prepared for a party to sign. Its effect is fixed when it is prepared."""

    __tablename__ = "actions"

    user_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(200), index=True)
    account: Mapped[str] = mapped_column(Address)
    typed_data: Mapped[dict[str, Any]] = mapped_column(Json)
    digest: Mapped[str] = mapped_column(Hash32)
    words: Mapped[dict[str, str]] = mapped_column(Json)
    links: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    scope: Mapped[int]
    """What the signer's key must be allowed to do for the account (a `SCOPE_…` bit of Participants)."""
    signatures_needed: Mapped[int] = mapped_column(default=1)
    effect: Mapped[dict[str, Any]] = mapped_column(Json)
    """What the signature sets in motion: the relayed call, or whatever the kind's handler wrote down."""
    signatures: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    status: Mapped[str] = mapped_column(String(20), default="prepared")
    signed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    operation_id: Mapped[UUID | None] = mapped_column(ForeignKey("operations.id"), index=True)


class ActionNonce(Base):
    """The next unordered nonce for an account's signed actions; counting up keeps to few storage words."""

    __tablename__ = "action_nonces"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(Address, primary_key=True)
    next: Mapped[int] = mapped_column(BigInteger)


class ChainBlock(Base):
    """A block header the index rests on; kept while it could still be replaced, and where the log began."""

    __tablename__ = "chain_blocks"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hash: Mapped[str] = mapped_column(Hash32)
    parent_hash: Mapped[str] = mapped_column(Hash32)
    time: Mapped[datetime] = mapped_column(UtcTime)


class ChainEvent(Base):
    """One event of our contracts, as it stands on the chain now. Orphaned events are deleted."""

    __tablename__ = "chain_events"
    __table_args__ = (Index("ix_chain_events_tx", "ledger_id", "tx_hash"),)

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    block_number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)
    block_hash: Mapped[str] = mapped_column(Hash32)
    block_time: Mapped[datetime] = mapped_column(UtcTime)
    tx_hash: Mapped[str] = mapped_column(Hash32)
    contract: Mapped[str] = mapped_column(String(60))
    address: Mapped[str] = mapped_column(Address)
    name: Mapped[str] = mapped_column(String(80))
    args: Mapped[dict[str, Any]] = mapped_column(Json)


class ChainEventKey(Base):
    """Which rows of which projection an event concerns."""

    __tablename__ = "chain_event_keys"
    __table_args__ = (Index("ix_chain_event_keys_block", "ledger_id", "block_number"),)

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    projection: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    block_number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)


class ChainCursor(Base):
    """How far the index has come. Moved only from the value that was read (compare and set)."""

    __tablename__ = "chain_cursors"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(Hash32)
    head: Mapped[int] = mapped_column(BigInteger)
    """The chain's newest block when the cursor was moved."""
    halted: Mapped[str | None] = mapped_column(String(500))
    """Why indexing stopped and waits for a person; null while it runs."""
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
