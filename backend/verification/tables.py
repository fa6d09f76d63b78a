"""Tables of verification: what banks watch, and what the operator or a bank found outside the ledger."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.access import Owned
from backend.kit.clock import now
from backend.kit.database import Base, Hash32, Json, UtcTime


class Watch(Owned, Base):
    """A party that wants to be told when the report on a receivable changes, or on any it holds."""

    __tablename__ = "verification_watches"
    __table_args__ = (UniqueConstraint("party_id", "receivable_id"),)

    user_id: Mapped[UUID]
    """In whose name it looks: what this user may no longer see is no longer watched."""
    receivable_id: Mapped[UUID | None]
    """None: whatever the party's accounts hold, now and later."""


class Watched(Base):
    """What the report on one receivable said to one watch when it was last made."""

    __tablename__ = "verification_watched"
    __table_args__ = (Index("ix_verification_watched_due", "ledger_id", "next_at"),)

    watch_id: Mapped[UUID] = mapped_column(
        ForeignKey("verification_watches.id", ondelete="CASCADE"), primary_key=True
    )
    receivable_id: Mapped[UUID] = mapped_column(primary_key=True)
    ledger_id: Mapped[UUID]
    next_at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    seen: Mapped[str | None] = mapped_column(String(64))
    """Digest of what the report rests on; while it stays the same the report need not be made again."""
    made_at: Mapped[datetime | None] = mapped_column(UtcTime)
    block_hash: Mapped[str | None] = mapped_column(Hash32)
    outcomes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Check → outcome and code."""
    keys: Mapped[list[list[str]]] = mapped_column(Json, default=list)
    """Under which keys of the event index more may come to the goods behind it."""


class Screening(Owned, Base):
    """A screening of a party; `party_id` is who vouches for it, an operator or a bank for itself."""

    __tablename__ = "party_screenings"
    __table_args__ = (Index("ix_party_screenings_subject", "ledger_id", "subject_party_id"),)

    subject_party_id: Mapped[UUID]
    screened_at: Mapped[datetime] = mapped_column(UtcTime)
    source: Mapped[str] = mapped_column(String(200))
    for_all: Mapped[bool]
    """By the operator, and so in every report; otherwise only in those of who vouches for it."""


class RegistrySearch(Owned, Base):
    """A search in a public register of pledges, by name and date, as whoever made it says."""

    __tablename__ = "registry_searches"
    __table_args__ = (Index("ix_registry_searches_receivable", "ledger_id", "receivable_id"),)

    receivable_id: Mapped[UUID]
    register: Mapped[str] = mapped_column(String(200))
    searched_at: Mapped[datetime] = mapped_column(UtcTime)
    hits: Mapped[int]
    for_all: Mapped[bool]


class PinnedKey(Owned, Base):
    """A debtor's key that a party knows by another way to be the debtor's."""

    __tablename__ = "pinned_debtor_keys"
    __table_args__ = (UniqueConstraint("party_id", "debtor_party_id", "key"),)

    debtor_party_id: Mapped[UUID]
    key: Mapped[str] = mapped_column(Hash32)
    source: Mapped[str] = mapped_column(String(200))
    """How it was checked, such as a call back under a known number."""
