"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a request sent twice is done once.

The key is a unique constraint, not a look-up before an insert, and its row is written in the transaction of
the request: either both exist afterwards or neither. A request that was refused changed nothing and leaves no
row, so it may be corrected and sent again under its key.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    LargeBinary,
    String,
    UniqueConstraint,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit import ids
from backend.kit.access import Owned
from backend.kit.database import Base, Json
from backend.kit.problems import Problem
from backend.kit.upkeep import remove


class IdempotentRequest(Owned, Base):
    """A request that was carried out, and the answer it got."""

    __tablename__ = "idempotent_requests"
    __table_args__ = (UniqueConstraint("ledger_id", "party_id", "key"),)

    key: Mapped[str] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(Json)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    """None where the answer held a secret, which is shown once and not kept."""


class KeyMissing(Problem):
    """A POST that changes something came without a key."""

    status, code = 400, "idempotency-key-missing"


class KeyInvalid(Problem):
    """The key is empty, longer than 255 characters, or not printable ASCII."""

    status, code = 400, "idempotency-key-invalid"


class KeyReused(Problem):
    """The key came with another request before."""

    status, code = 422, "idempotency-key-reused"


class StillRunning(Problem):
    """The same request is being worked on at this moment."""

    status, code = 409, "request-still-running"
    headers: ClassVar = {"Retry-After": "1"}


class AnswerNotKept(Problem):
    """The request was carried out, and its answer held a secret that is shown once."""

    status, code = 409, "answer-not-kept"


def fingerprint(
    method: str, path: str, query: str, content_type: str, body: bytes, headers: Sequence[str] = ()
) -> str:
    """What makes two requests the same: everything but the headers that carry no meaning. Hex SHA-256.

    `headers` are the values of those that do.
    """
    digest = hashlib.sha256()
    # Multipart bodies carry a random boundary; with it a repetition would look like another request.
    boundary = content_type.partition("boundary=")[2].strip('"')
    if boundary:
        body = body.replace(boundary.encode("latin-1"), b"")
        content_type = content_type.partition(";")[0]
    told = [header.encode() for header in headers if any(headers)]
    for part in (method.encode(), path.encode(), query.encode(), content_type.encode(), body, *told):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def check_key(key: str) -> str:
    """`key` without the quotes of a structured-field string. Raises KeyInvalid."""
    bare = key[1:-1] if len(key) >= 2 and key[0] == key[-1] == '"' else key
    if not 1 <= len(bare) <= 255 or not all(" " < character <= "~" for character in bare):
        raise KeyInvalid()
    return bare


Place: TypeAlias = tuple[UUID, UUID, str]
"""Ledger, party and key: what one request is known by."""


class Running:
    """The keys being worked on in this process, so that a repetition is told so and does not queue."""

    def __init__(self) -> None:
        self._keys: set[Place] = set()

    @asynccontextmanager
    async def hold(self, key: Place) -> AsyncIterator[None]:
        """Raises StillRunning if another task of this process holds `key`."""
        if key in self._keys:
            raise StillRunning()
        self._keys.add(key)
        try:
            yield
        finally:
            self._keys.discard(key)


async def find(
    session: AsyncSession, places: Sequence[Place]
) -> dict[Place, "IdempotentRequest | StillRunning"]:
    """The requests carried out under these keys, after making sure no other process works on them now: for
    one it works on, StillRunning.

    The locks are PostgreSQL's, freed with the transaction; on SQLite the transaction itself is the lock.
    """
    found: dict[Place, IdempotentRequest | StillRunning] = {}
    if not places:
        return found
    if session.get_bind().dialect.name == "postgresql":
        numbers = {_number(each): each for each in places}
        given = bindparam("numbers", list(numbers), ARRAY(BigInteger))
        number = func.unnest(given).column_valued("number")
        locked = await session.execute(select(number, func.pg_try_advisory_xact_lock(number)))
        found |= {numbers[row[0]]: StillRunning() for row in locked if not row[1]}
    ledger_id, party_id, key = (
        IdempotentRequest.ledger_id,
        IdempotentRequest.party_id,
        IdempotentRequest.key,
    )
    done = select(IdempotentRequest).where(tuple_(ledger_id, party_id, key).in_(places))
    for row in await session.scalars(done):
        found.setdefault((row.ledger_id, row.party_id, row.key), row)
    return found


def _number(place: Place) -> int:
    digest = hashlib.sha256("/".join(map(str, place)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def forget(session: AsyncSession, ledger_id: UUID, before: datetime) -> int:
    """Removes answers from before a moment; their keys are free again. At most a batch; how many."""
    old = (IdempotentRequest.ledger_id == ledger_id, IdempotentRequest.id < ids.since(before))
    return await remove(session, IdempotentRequest, *old)
