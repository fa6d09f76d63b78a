"""What happened, for those it concerns: notices, and the webhooks that carry them (Standard Webhooks 1.0).

A notice is written in the transaction of what happened. The loop copies it to the party's webhooks and sends
each webhook's notices in order: one that is refused is tried again, later and later, and holds up those
behind it, until the webhook is switched off after three days; then everything waits until its owner switches
it on.
"""

import asyncio
import json
import logging
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, exists, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from backend.kit import ids, outgoing
from backend.kit.access import Owned
from backend.kit.clock import iso, now
from backend.kit.database import Base, Database, Json, UtcTime
from backend.kit.sealing import SealedText
from backend.kit.upkeep import remove

log = logging.getLogger("tallystick.notices")

_FAN_OUT = 200
_AT_ONCE = 20
_CLAIM = timedelta(seconds=30)
_PAUSES = (5, 30, 120, 600, 1_800, 3_600, 7_200)
_GIVE_UP = timedelta(days=3)
_OPEN = text("copied_at IS NULL")
_WAITING = text("delivered_at IS NULL")

Send = Callable[..., Awaitable[None]]


class Notice(Owned, Base):
    """Something that happened and concerns a party."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_open", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),)

    type: Mapped[str] = mapped_column(String(80))
    """Such as "operation.succeeded"."""
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    copied_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Webhook(Owned, Base):
    """An address a party wants its notices sent to."""

    __tablename__ = "webhooks"

    url: Mapped[str] = mapped_column(String(2_000))
    types: Mapped[list[str]] = mapped_column(Json)
    """Which notices, by the beginning of their type; none for all."""
    secret: Mapped[str] = mapped_column(SealedText)
    """What its notices are signed with, sealed: the database alone signs nothing."""
    active: Mapped[bool] = mapped_column(default=True)
    failing_since: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str | None] = mapped_column(String(300))


class Delivery(Owned, Base):
    """A notice on its way to a webhook."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_queue",
            "webhook_id",
            "id",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
    )

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id"))
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id"))
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(UtcTime, default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str | None] = mapped_column(String(300))


def new_secret() -> str:
    """A webhook's signing secret in the standard's form."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def wants(webhook: Webhook, type_: str) -> bool:
    """Whether a webhook asked for this type of notice."""
    return not webhook.types or any(type_ == each or type_.startswith(f"{each}.") for each in webhook.types)


def content(notice: Notice) -> bytes:
    """The body of a webhook: type, time and data (Standard Webhooks, "payload structure")."""
    document = {
        "type": notice.type,
        "timestamp": iso(notice.created_at),
        "data": {"subject": notice.subject, **notice.data},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Courier:
    """Copies notices to webhooks and sends them. Several may run: each delivery is claimed first."""

    def __init__(self, database: Database, *, allow_private: bool = False, send: Send | None = None) -> None:
        self.database, self.allow_private = database, allow_private
        self.send: Send = send or outgoing.deliver
        self._seen: object = None

    async def step(self) -> bool:
        """Does one round; True if there may be more."""
        copied = await self._copy()
        sent = await self._deliver()
        return copied or sent

    async def has_work(self) -> bool:
        """Whether there are notices nobody has looked at; what is to be tried again is found by `step`."""
        if (stamp := self.database.stamp()) == self._seen:
            return False
        self._seen = stamp
        return await self._any_new()

    async def _any_new(self) -> bool:
        async with self.database.reading() as session:
            return (
                await session.scalar(select(Notice.id).where(Notice.copied_at.is_(None)).limit(1)) is not None
            )

    async def _copy(self) -> bool:
        if not await self._any_new():
            return False
        async with self.database.transaction() as session:
            statement = select(Notice).where(Notice.copied_at.is_(None)).order_by(Notice.id).limit(_FAN_OUT)
            notices = (await session.scalars(statement.with_for_update(skip_locked=True))).all()
            parties = {notice.party_id for notice in notices}
            hooks = (await session.scalars(select(Webhook).where(Webhook.party_id.in_(parties)))).all()
            moment = now()
            for notice in notices:
                notice.copied_at = moment
                for hook in hooks:
                    owner = (hook.ledger_id, hook.party_id) == (notice.ledger_id, notice.party_id)
                    if owner and hook.created_at <= notice.created_at and wants(hook, notice.type):
                        session.add(_delivery(hook, notice))
        return len(notices) == _FAN_OUT

    async def _deliver(self) -> bool:
        claimed = await self._claim()
        await asyncio.gather(*(self._send(*each) for each in claimed))
        return bool(claimed)

    async def _send(self, delivery: Delivery, hook: Webhook, notice: Notice) -> None:
        error: str | None = None
        try:
            await self.send(
                hook.url,
                content(notice),
                delivery_id=str(notice.id),
                timestamp=int(now().timestamp()),
                secret=hook.secret,
                allow_private=self.allow_private,
            )
        except outgoing.DeliveryError as refused:
            error = str(refused)
        await self._note(delivery.id, hook.id, error)

    async def _claim(self) -> Sequence[tuple[Delivery, Webhook, Notice]]:
        """The oldest waiting delivery of each webhook whose time has come, put off for everybody else."""
        moment = now()
        earlier = aliased(Delivery)
        behind = exists().where(
            earlier.webhook_id == Delivery.webhook_id,
            earlier.delivered_at.is_(None),
            earlier.id < Delivery.id,
        )
        statement = (
            select(Delivery, Webhook, Notice)
            .join(Webhook, Webhook.id == Delivery.webhook_id)
            .join(Notice, Notice.id == Delivery.notice_id)
            .where(
                Webhook.active.is_(True),
                Delivery.delivered_at.is_(None),
                Delivery.next_at <= moment,
                ~behind,
            )
            .limit(_AT_ONCE)
        )
        async with self.database.reading() as session:
            if (await session.execute(statement.limit(1))).first() is None:
                return []
        async with self.database.transaction() as session:
            locked = statement.with_for_update(of=Delivery, skip_locked=True)
            rows = [(row[0], row[1], row[2]) for row in await session.execute(locked)]
            for delivery, _, _ in rows:
                delivery.attempts += 1
                delivery.next_at = moment + _CLAIM
        return rows

    async def _note(self, delivery_id: UUID, webhook_id: UUID, error: str | None) -> None:
        moment = now()
        async with self.database.transaction() as session:
            delivery = await session.get_one(Delivery, delivery_id)
            hook = await session.get_one(Webhook, webhook_id)
            delivery.last_error = hook.last_error = error[:300] if error else None
            if error is None:
                delivery.delivered_at, hook.failing_since = moment, None
                return
            pause = _PAUSES[min(delivery.attempts, len(_PAUSES)) - 1]
            delivery.next_at = moment + timedelta(seconds=pause)
            hook.failing_since = hook.failing_since or moment
            if moment - hook.failing_since >= _GIVE_UP:
                hook.active = False
                log.warning(
                    "the webhook %s has failed for three days and is switched off: %s", hook.id, error
                )


async def replay(session: AsyncSession, webhook: Webhook, since: datetime) -> int:
    """Sends a webhook's notices since a moment once more, with their old ids; how many."""
    statement = select(Notice).where(
        Notice.ledger_id == webhook.ledger_id,
        Notice.party_id == webhook.party_id,
        Notice.created_at >= since,
        Notice.copied_at.is_not(None),
    )
    notices = [
        each for each in await session.scalars(statement.order_by(Notice.id)) if wants(webhook, each.type)
    ]
    session.add_all(_delivery(webhook, notice) for notice in notices)
    return len(notices)


async def forget_deliveries(session: AsyncSession, ledger_id: UUID, before: datetime) -> int:
    """Removes deliveries that arrived, of before a moment. At most a batch; how many."""
    old = (Delivery.ledger_id == ledger_id, Delivery.id < ids.since(before), Delivery.delivered_at < before)
    return await remove(session, Delivery, *old)


async def forget(session: AsyncSession, ledger_id: UUID, before: datetime) -> int:
    """Removes notices of before a moment that no webhook waits for. At most a batch; how many."""
    old = (
        Notice.ledger_id == ledger_id,
        Notice.id < ids.since(before),
        Notice.copied_at.is_not(None),
        ~exists().where(Delivery.notice_id == Notice.id),
    )
    return await remove(session, Notice, *old)


async def switch_on(session: AsyncSession, webhook: Webhook) -> None:
    """Takes a webhook up again where it was left; what waits is sent at once."""
    webhook.active, webhook.failing_since, webhook.last_error = True, None, None
    waiting = (Delivery.webhook_id == webhook.id, Delivery.delivered_at.is_(None))
    await session.execute(update(Delivery).where(*waiting).values(next_at=now()))


def _delivery(hook: Webhook, notice: Notice) -> Delivery:
    return Delivery(ledger_id=hook.ledger_id, party_id=hook.party_id, webhook_id=hook.id, notice_id=notice.id)
