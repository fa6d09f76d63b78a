"""Who asks, and what they may see: the caller of a request and the one tenant filter everybody uses."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, true
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.clock import now
from backend.kit.columns import UtcTime
from backend.kit.ids import uuid7
from backend.kit.problems import Problem


class Role(StrEnum):
    """What a user may do for its party."""

    MAKER = "maker"  # prepares: uploads, drafts, asks
    CHECKER = "checker"  # approves and signs what a maker prepared
    VIEWER = "viewer"  # reads what its party may see
    AUDITOR = "auditor"  # reads everything of the ledger, changes nothing
    OPERATOR = "operator"  # runs the ledger: admits parties, watches, repairs


WRITERS = frozenset({Role.MAKER, Role.CHECKER, Role.OPERATOR})


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated user behind a request."""

    user_id: UUID
    party_id: UUID
    ledger_id: UUID
    roles: frozenset[Role]
    account: str | None = None
    """The party's account on the chain (checksummed address), if it has exactly one."""

    @property
    def sees_everything(self) -> bool:
        """Whether the whole ledger is visible to it."""
        return bool(self.roles & {Role.AUDITOR, Role.OPERATOR})

    def require(self, *roles: Role) -> None:
        """Raises Forbidden unless the caller has at least one of `roles`."""
        if not self.roles & set(roles):
            raise Forbidden(needed=_or(roles))


class Unauthenticated(Problem):
    """No API key, or one that is unknown, revoked or expired; the answer never says which."""

    status, code = 401, "unauthenticated"
    headers: ClassVar = {"WWW-Authenticate": 'Bearer realm="tallystick"'}


class Forbidden(Problem):
    """The caller is known and lacks the role."""

    status, code = 403, "forbidden"


class Owned:
    """Columns of every table a party owns a row of. Declare tables as `class Invoice(Owned, Base)`."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    ledger_id: Mapped[UUID] = mapped_column(index=True)
    party_id: Mapped[UUID] = mapped_column(index=True)
    """The owner: whose users may see the row."""
    created_at: Mapped[datetime] = mapped_column(UtcTime, default=now)


def visible_to(caller: Caller, *tables: Any) -> ColumnElement[bool]:
    """The tenant filter: a condition true for rows of `tables` the caller may see.

    Each table has `ledger_id` and `party_id`. Other ledgers are never visible; auditors and operators see all
    of theirs; everybody else sees what their party owns.
    """
    conditions: list[ColumnElement[bool]] = [true()]
    for table in tables:
        conditions.append(table.ledger_id == caller.ledger_id)
        if not caller.sees_everything:
            conditions.append(table.party_id == caller.party_id)
    return and_(*conditions)


def _or(roles: Iterable[Role]) -> str:
    return " / ".join(role.value for role in roles)
