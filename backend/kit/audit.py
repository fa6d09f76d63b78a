"""The audit log: one row for each change, written in the change's own transaction, never updated."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.access import Owned
from backend.kit.database import Base, Json


class AuditEntry(Owned, Base):
    """Who changed what, when and through which request. `party_id` is the party that acted."""

    __tablename__ = "audit_entries"

    user_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(200))
    """What was done: an HTTP method and route, or the name of an operator's command."""
    subject: Mapped[str | None] = mapped_column(String(200), index=True)
    """What it was done to, such as "party:0190…"."""
    request_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


async def record(
    session: AsyncSession,
    *,
    ledger_id: UUID,
    party_id: UUID,
    user_id: UUID | None,
    action: str,
    subject: str | None = None,
    request_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Adds an entry to the running transaction. Details hold no secrets and no personal data."""
    entry = AuditEntry(
        ledger_id=ledger_id,
        party_id=party_id,
        user_id=user_id,
        action=action,
        subject=subject,
        request_id=request_id,
        detail=dict(detail or {}),
    )
    session.add(entry)
    await session.flush()
    return entry
