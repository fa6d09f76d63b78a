"""Who stands in for an absent colleague as the second person: named, from a day to a day, on record.

A deputy agrees in the place of a checker who is away. Four eyes stay four: nobody stands in for the one who
proposed, and nobody agrees to its own proposal.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices.problems import DeputyUnfit
from backend.invoices.tables import AnswerDeputy, InvoiceAnswer
from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.problems import NotFound
from backend.parties import service as parties

_LONGEST_DAYS = 366


async def name(
    session: AsyncSession, caller: Caller, absent: UUID, deputy: UUID, starts: date, ends: date
) -> AnswerDeputy:
    """Names a deputy for a checker of the caller's party, by a checker. Raises DeputyUnfit."""
    caller.require(Role.CHECKER)
    users = {user.id: user for user in await parties.colleagues(session, caller.party_id) if user.active}
    if absent not in users or deputy not in users or absent == deputy:
        raise DeputyUnfit()
    if Role.CHECKER not in users[absent].roles or not {Role.MAKER, Role.CHECKER} & set(users[deputy].roles):
        raise DeputyUnfit()
    if not starts <= ends or (ends - starts).days > _LONGEST_DAYS or ends < now().date():
        raise DeputyUnfit()
    row = AnswerDeputy(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        absent_user_id=absent,
        deputy_user_id=deputy,
        starts=starts.isoformat(),
        ends=ends.isoformat(),
        named_by=caller.user_id,
    )
    session.add(row)
    await session.flush()
    return row


async def end(session: AsyncSession, caller: Caller, deputy_id: UUID) -> None:
    """Ends it before its last day; what was agreed stays agreed. Raises NotFound."""
    caller.require(Role.CHECKER)
    row = await session.scalar(
        select(AnswerDeputy).where(AnswerDeputy.id == deputy_id, AnswerDeputy.party_id == caller.party_id)
    )
    if row is None:
        raise NotFound()
    row.ended_at = row.ended_at or now()
    await session.flush()


async def named(session: AsyncSession, caller: Caller) -> Sequence[AnswerDeputy]:
    """All deputies of the caller's party, past ones too, newest first."""
    statement = select(AnswerDeputy).where(
        AnswerDeputy.ledger_id == caller.ledger_id, AnswerDeputy.party_id == caller.party_id
    )
    return (await session.scalars(statement.order_by(AnswerDeputy.id.desc()))).all()


async def place_of(session: AsyncSession, caller: Caller, proposed: InvoiceAnswer) -> UUID | None:
    """In whose place the caller may agree to what was proposed today; None if in nobody's."""
    today = now().date().isoformat()
    statement = select(AnswerDeputy.absent_user_id).where(
        AnswerDeputy.party_id == caller.party_id,
        AnswerDeputy.deputy_user_id == caller.user_id,
        AnswerDeputy.absent_user_id != proposed.given_by,
        AnswerDeputy.starts <= today,
        AnswerDeputy.ends >= today,
        AnswerDeputy.ended_at.is_(None),
    )
    return await session.scalar(statement.order_by(AnswerDeputy.id).limit(1))
