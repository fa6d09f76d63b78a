"""`tallystick operations …`: what is on its way to the chain, for the operator of the ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox
from backend.chain.contracts import explain, load
from backend.chain.repository import Operation
from backend.kit import audit, settings
from backend.kit.clock import iso
from backend.kit.database import Database
from backend.kit.problems import Problem

operations = typer.Typer(no_args_is_help=True, help="See, stop and repeat what is on its way to the chain.")
_console = Console()


@operations.command("list")
def list_operations(
    status: Annotated[
        str, typer.Option(help="pending, succeeded, failed or cancelled; empty for all.")
    ] = "pending",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List operations, newest first."""

    async def work(session: AsyncSession, ledger_id: UUID) -> None:
        statement = select(Operation).where(Operation.ledger_id == ledger_id)
        if status:
            statement = statement.where(Operation.status == status)
        rows = (await session.scalars(statement.order_by(Operation.id.desc()).limit(limit))).all()
        table = Table("id", "kind", "subject", "status", "last action", "at")
        for row in rows:
            state = f"{row.status}/{row.sub_status}"
            table.add_row(str(row.id), row.kind, row.subject, state, row.last_action, iso(row.last_action_at))
        _console.print(table if rows else "None.")

    _run(work)


@operations.command()
def show(operation_id: UUID) -> None:
    """Show one operation with its transaction and error."""

    async def work(session: AsyncSession, ledger_id: UUID) -> None:
        row = await _get(session, ledger_id, operation_id)
        carrier = (await outbox.transactions_of(session, [row])).get(row.transaction_id or UUID(int=0))
        _console.print(f"{row.kind} of {row.subject}: {row.status}/{row.sub_status}, last {row.last_action}")
        if row.error:
            _console.print(explain(row.error["name"], row.error["args"], "en"))
        if carrier:
            transaction, hash_ = carrier
            _console.print(
                f"nonce {transaction.nonce} of {transaction.signer}, {transaction.status}, {hash_}"
            )

    _run(work)


@operations.command()
def retry(operation_id: UUID) -> None:
    """Send a failed or cancelled operation again, as a new one."""

    async def work(session: AsyncSession, ledger_id: UUID) -> None:
        row = await _get(session, ledger_id, operation_id)
        again = await outbox.retry(session, row)
        await _note(session, row, "retry")
        _console.print(f"It will be sent as {again.id}.")

    _run(work)


@operations.command()
def cancel(operation_id: UUID) -> None:
    """Stop an operation; if it was sent, ask for a replacement that does nothing."""

    async def work(session: AsyncSession, ledger_id: UUID) -> None:
        row = await _get(session, ledger_id, operation_id)
        await outbox.cancel(session, row)
        await _note(session, row, "cancel")
        _console.print(f"{row.status}/{row.sub_status}")

    _run(work)


async def _note(session: AsyncSession, row: Operation, action: str) -> None:
    await audit.record(
        session,
        ledger_id=row.ledger_id,
        party_id=row.party_id,
        user_id=None,
        action=f"operations {action}",
        subject=f"operation:{row.id}",
    )


async def _get(session: AsyncSession, ledger_id: UUID, operation_id: UUID) -> Operation:
    statement = select(Operation).where(Operation.ledger_id == ledger_id, Operation.id == operation_id)
    if (row := await session.scalar(statement)) is None:
        _console.print(f"There is no operation {operation_id} on this ledger.")
        raise typer.Exit(1)
    return row


def _run(work: Callable[[AsyncSession, UUID], Awaitable[None]]) -> None:
    async def run() -> None:
        configured = settings.load()
        database = Database(configured.database_url.get_secret_value())
        try:
            async with database.transaction() as session:
                await work(session, load(configured.deployment).ledger_id)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except Problem as problem:
        _console.print(str(problem))
        raise typer.Exit(1) from None
