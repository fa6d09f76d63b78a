"""Tables of invoices: what was read, the sealed original, tokens that meet, holds, answers, batches, keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.access import Owned
from backend.kit.database import Amount, Base, Hash32, Json, UtcTime
from backend.kit.ids import uuid7


class InvoiceRecord(Owned, Base):
    """An invoice of `party_id`, the seller. The matched buyer sees it too."""

    __tablename__ = "invoices"
    __table_args__ = (Index("ix_invoices_buyer", "ledger_id", "buyer_party_id"),)

    buyer_party_id: Mapped[UUID | None]
    uploaded_by: Mapped[UUID]
    """The user that brought it."""
    state: Mapped[str] = mapped_column(String(12), default="open")
    """`open`, `withdrawn` (by its owner, before anything was confirmed) or `erased`."""
    number: Mapped[str] = mapped_column(String(200), index=True)
    issue_date: Mapped[str] = mapped_column(String(10))
    currency: Mapped[str] = mapped_column(String(3))
    profile: Mapped[str] = mapped_column(String(10))
    fields: Mapped[dict[str, Any]] = mapped_column(Json)
    """The whole invoice (codec.dump)."""
    validation: Mapped[dict[str, Any]] = mapped_column(Json)
    sha256: Mapped[str] = mapped_column(Hash32)
    document_root: Mapped[str] = mapped_column(Hash32)
    media_type: Mapped[str] = mapped_column(String(100))
    scan: Mapped[str] = mapped_column(String(20), default="not-scanned")
    """What the scanner said: `not-scanned`, `clean`, or its own name for what it found."""
    filing_number: Mapped[str | None] = mapped_column(String(100))
    answer: Mapped[str | None] = mapped_column(String(2))
    """The buyer's last answer (Peppol Invoice Response code)."""
    legal_hold: Mapped[str | None] = mapped_column(String(500))
    """Why it may not be erased (a lawsuit, an inspection), whatever the schedule says."""
    reminders: Mapped[int] = mapped_column(default=0)
    """How often the buyer was reminded to answer."""
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SealedDocument(Owned, Base):
    """Something encrypted that belongs to an invoice: the `original`, or its `fields` with their salts."""

    __tablename__ = "invoice_documents"
    __table_args__ = (UniqueConstraint("invoice_id", "kind"),)

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    file_name: Mapped[str | None] = mapped_column(String(255))
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    master_key: Mapped[str] = mapped_column(String(16))


class InvoiceIdentity(Base):
    """The identity of an open invoice: at most one a ledger, whatever two requests do at once."""

    __tablename__ = "invoice_identities"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)


class InvoiceToken(Base):
    """A keyed token of an open invoice (uniqueness.py). Never shown."""

    __tablename__ = "invoice_tokens"
    __table_args__ = (Index("ix_invoice_tokens_value", "ledger_id", "value", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    ledger_id: Mapped[UUID]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    kind: Mapped[str] = mapped_column(String(1))
    value: Mapped[str] = mapped_column(String(64))
    items: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    delivery: Mapped[str] = mapped_column(String(220), default="")
    units: Mapped[dict[str, str]] = mapped_column(Json, default=dict)


class InvoiceHold(Owned, Base):
    """A reason for a person to look before the invoice may be financed, and who let it go."""

    __tablename__ = "invoice_holds"
    __table_args__ = (UniqueConstraint("invoice_id", "rule", "against"),)

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    rule: Mapped[str] = mapped_column(String(40))
    """A rule of gates/rules.toml, or `same-` and the kind of token that met another invoice's."""
    against: Mapped[str] = mapped_column(String(36), default="")
    """The other invoice, where a token met. For the person who decides; never shown to a party."""
    foreign: Mapped[bool] = mapped_column(default=False)
    """Whether the other invoice is another seller's."""
    params: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    released_by: Mapped[UUID | None]
    released_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reason: Mapped[str | None] = mapped_column(String(500))


class InvoiceAnswer(Owned, Base):
    """An answer of the buyer (`party_id`), given or waiting for a second person."""

    __tablename__ = "invoice_answers"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    code: Mapped[str] = mapped_column(String(2))
    reasons: Mapped[list[str]] = mapped_column(Json, default=list)
    amount: Mapped[int | None] = mapped_column(Amount)
    due_date: Mapped[str | None] = mapped_column(String(10))
    note: Mapped[str | None] = mapped_column(String(1000))
    given_by: Mapped[UUID]
    approved_by: Mapped[UUID | None]
    approved_for: Mapped[UUID | None]
    """Whose place the second person took, where it was a deputy."""
    state: Mapped[str] = mapped_column(String(10))
    """`proposed` while a second person has to agree, then `given`."""


class InvoiceBatch(Owned, Base):
    """Many invoices brought at once."""

    __tablename__ = "invoice_batches"

    uploaded_by: Mapped[UUID]
    file_name: Mapped[str | None] = mapped_column(String(255))
    profile: Mapped[str] = mapped_column(String(10))
    total: Mapped[int]


class BatchEntry(Owned, Base):
    """One file or row of a batch; sealed while it waits, then `taken` or `refused`."""

    __tablename__ = "invoice_batch_entries"
    __table_args__ = (UniqueConstraint("batch_id", "position"),)

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("invoice_batches.id"), index=True)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(10))
    invoice_id: Mapped[UUID | None]
    problem: Mapped[str | None] = mapped_column(String(60))
    detail: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    master_key: Mapped[str] = mapped_column(String(16))


class AnswerLimit(Owned, Base):
    """Above this amount a buyer accepts with two people."""

    __tablename__ = "answer_limits"
    __table_args__ = (UniqueConstraint("ledger_id", "party_id", "currency"),)

    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[int] = mapped_column(Amount)


class AnswerDeputy(Owned, Base):
    """Who of a party stands in for an absent colleague as the second person, from a day to a day (UTC)."""

    __tablename__ = "answer_deputies"

    absent_user_id: Mapped[UUID]
    deputy_user_id: Mapped[UUID]
    starts: Mapped[str] = mapped_column(String(10))
    ends: Mapped[str] = mapped_column(String(10))
    named_by: Mapped[UUID]
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class FingerprintKeySet(Base):
    """The public keys that fingerprints must be made under, as the chain says. Kept by a projection."""

    __tablename__ = "fingerprint_key_sets"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_set: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    keys: Mapped[list[str]] = mapped_column(Json)
