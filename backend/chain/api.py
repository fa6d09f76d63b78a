"""Routes of operations (what is on its way to the chain) and actions (what waits for a signature)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from time import monotonic
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import actions, outbox
from backend.chain.actions import Actions
from backend.chain.contracts import Contracts, explain
from backend.chain.repository import ActionRecord, Operation, Transaction
from backend.kit.access import Caller, Role
from backend.kit.database import Database
from backend.kit.messages import Locale
from backend.kit.web import CurrentCaller, CurrentLocale, Page, Paging, Route, Session, audit_subject, page

router = APIRouter(prefix="/v1", route_class=Route)

_WATCH_SECONDS, _SILENCE_SECONDS, _LOOK_SECONDS = 600, 15, 0.5
_ID = "0190b8a7-5c00-7000-8000-000000000001"
_HASH = "0x" + "5a" * 32
_ACCOUNT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


async def current_contracts(request: Request) -> Contracts:
    """The contracts of this ledger."""
    contracts: Contracts = request.app.state.contracts
    return contracts


async def current_actions(request: Request) -> Actions:
    """The one mechanism for prepared actions."""
    mechanism: Actions = request.app.state.actions
    return mechanism


CurrentContracts = Annotated[Contracts, Depends(current_contracts)]
CurrentActions = Annotated[Actions, Depends(current_actions)]


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class OperationError(View):
    """Why an operation failed."""

    code: str = Field(examples=["NonceUsed"])
    detail: str = Field(examples=["The signed action was already carried out."])
    args: dict[str, Any]


class TransactionView(View):
    """The transaction that carries an operation. Each moment is null until it has happened."""

    hash: str | None = Field(examples=[_HASH])
    nonce: int
    block_number: int | None
    block_hash: str | None
    gas_used: int | None
    allocated_at: datetime | None
    signed_at: datetime | None
    accepted_at: datetime | None
    mined_at: datetime | None
    confirmed_at: datetime | None


class OperationView(View):
    """Something on its way to the chain, or that has arrived there. `status` never leaves a final state."""

    id: UUID = Field(examples=[_ID])
    kind: str = Field(examples=["receivable.confirm"])
    subject: str = Field(examples=[f"receivable:{_ID}"])
    status: Literal["pending", "succeeded", "failed", "cancelled"]
    sub_status: str = Field(examples=["accepted"])
    last_action: str = Field(examples=["submit"])
    last_action_at: datetime
    idempotency_key: str | None
    created_at: datetime
    finished_at: datetime | None
    error: OperationError | None
    transaction: TransactionView | None
    links: dict[str, str]


class ActionView(View):
    """Something a party is asked to sign: the EIP-712 document, and what it means in words."""

    id: UUID = Field(examples=[_ID])
    kind: str = Field(examples=["receivable.issue"])
    subject: str = Field(examples=[f"receivable:{_ID}"])
    account: str = Field(examples=[_ACCOUNT], description="The account it is signed for.")
    typed_data: dict[str, Any] = Field(description="EIP-712, in the form of eth_signTypedData_v4.")
    digest: str = Field(examples=[_HASH], description="What the typed data hashes to.")
    words: dict[str, str] = Field(examples=[{"en": "Issue a receivable …", "zh": "开立应收账款……"}])
    status: Literal["prepared", "signed", "withdrawn", "expired"]
    signatures_needed: int = Field(examples=[1])
    signers: list[str] = Field(examples=[[_ACCOUNT]], description="Who has signed so far.")
    created_at: datetime
    expires_at: datetime
    operation_id: UUID | None
    links: dict[str, str]


class OperationFilter(BaseModel):
    """Which operations to list."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["pending", "succeeded", "failed", "cancelled"] | None = None
    subject: str | None = Field(default=None, max_length=200)
    key: str | None = Field(default=None, max_length=255, description="The Idempotency-Key of the request.")
    transaction: str | None = Field(
        default=None, pattern="^0x[0-9a-f]{64}$", description="A transaction hash."
    )


def operation_view(
    operation: Operation, transaction: tuple[Transaction, str | None] | None, locale: Locale
) -> OperationView:
    """An operation as it is shown."""
    error = None
    if operation.error is not None:
        name, args = operation.error["name"], operation.error["args"]
        error = OperationError(code=name, detail=explain(name, args, locale), args=args)
    carrier = None
    if transaction is not None:
        row, hash_ = transaction
        carrier = TransactionView(
            hash=hash_,
            **{name: getattr(row, name) for name in TransactionView.model_fields if name != "hash"},
        )
    own = {"error", "transaction", "links"}
    return OperationView(
        **{name: getattr(operation, name) for name in OperationView.model_fields if name not in own},
        error=error,
        transaction=carrier,
        links={"self": f"/v1/operations/{operation.id}"},
    )


async def show_operation(session: AsyncSession, operation: Operation, locale: Locale) -> OperationView:
    """An operation with its transaction, as it is shown. For routes of other rooms too."""
    found = await outbox.transactions_of(session, [operation])
    carrier = found.get(operation.transaction_id) if operation.transaction_id else None
    return operation_view(operation, carrier, locale)


async def show_operations(
    session: AsyncSession, operations: Sequence[Operation], locale: Locale
) -> list[OperationView]:
    """Several operations, as they are shown."""
    found = await outbox.transactions_of(session, operations)
    return [
        operation_view(each, found.get(each.transaction_id) if each.transaction_id else None, locale)
        for each in operations
    ]


def action_view(action: ActionRecord) -> ActionView:
    """An action as it is shown. For routes of other rooms too: they answer 201 with it."""
    own = {"signers", "links"}
    return ActionView(
        **{name: getattr(action, name) for name in ActionView.model_fields if name not in own},
        signers=[each["signer"] for each in action.signatures],
        links={
            "self": f"/v1/actions/{action.id}",
            "signatures": f"/v1/actions/{action.id}/signatures",
            **({"operation": f"/v1/operations/{action.operation_id}"} if action.operation_id else {}),
            **action.links,
        },
    )


@router.get("/operations", summary="List operations")
async def list_operations(
    caller: CurrentCaller,
    session: Session,
    locale: CurrentLocale,
    paging: Paging,
    filters: Annotated[OperationFilter, Depends()],
) -> Page[OperationView]:
    """Operations of your party, newest first, by status, subject, Idempotency-Key or transaction."""
    statement = outbox.listing(
        caller,
        status=filters.status,
        subject=filters.subject,
        key=filters.key,
        transaction_hash=filters.transaction,
    )
    rows, following = await page(session, statement, Operation.id, paging)
    return Page(items=await show_operations(session, rows, locale), next=following)


@router.get("/operations/{operation_id}", summary="Follow an operation")
async def get_operation(
    operation_id: UUID, caller: CurrentCaller, session: Session, locale: CurrentLocale
) -> OperationView:
    """How far an operation has come. Its status is final when it is succeeded, failed or cancelled."""
    operation = await outbox.get(session, caller, operation_id)
    return await show_operation(session, operation, locale)


@router.get(
    "/operations/{operation_id}/events",
    summary="Watch an operation",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"example": "event: operation\ndata: {…}\n\n"}}}},
)
async def watch_operation(
    operation_id: UUID, request: Request, caller: CurrentCaller, session: Session, locale: CurrentLocale
) -> StreamingResponse:
    """Server-sent events: the operation now and whenever it has moved, until it is final."""
    await outbox.get(session, caller, operation_id)
    changes = watch(request.app.state.database, caller, operation_id, locale)
    return StreamingResponse(changes, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def watch(database: Database, caller: Caller, operation_id: UUID, locale: Locale) -> AsyncIterator[str]:
    """The operation's states as server-sent events; a comment now and then, so that the line is kept."""
    seen = ""
    end = monotonic() + _WATCH_SECONDS
    spoken = monotonic()
    while monotonic() < end:
        async with database.reading() as session:
            operation = await outbox.get(session, caller, operation_id)
            shown = (await show_operation(session, operation, locale)).model_dump_json()
        if shown != seen:
            seen, spoken = shown, monotonic()
            yield f"event: operation\nid: {operation.last_action_at.isoformat()}\ndata: {shown}\n\n"
        elif monotonic() - spoken > _SILENCE_SECONDS:
            spoken = monotonic()
            yield ": still there\n\n"
        if operation.status in outbox.FINAL:
            return
        await asyncio.sleep(_LOOK_SECONDS)


@router.post("/operations/{operation_id}/cancel", summary="Stop an operation", status_code=202)
async def cancel_operation(
    operation_id: UUID, request: Request, caller: CurrentCaller, session: Session, locale: CurrentLocale
) -> OperationView:
    """Stops an operation that was not sent; if it was, asks for a replacement that does nothing."""
    operation = await outbox.get(session, caller, operation_id)
    audit_subject(request, f"operation:{operation.id}")
    await outbox.cancel(session, operation)
    return await show_operation(session, operation, locale)


@router.post("/operations/{operation_id}/retry", summary="Send a failed operation again", status_code=202)
async def retry_operation(
    operation_id: UUID, request: Request, caller: CurrentCaller, session: Session, locale: CurrentLocale
) -> OperationView:
    """A new operation that does what the failed or cancelled one was to do."""
    operation = await outbox.get(session, caller, operation_id)
    audit_subject(request, f"operation:{operation.id}")
    return await show_operation(session, await outbox.retry(session, operation), locale)


@router.get("/actions", summary="List what waits for a signature")
async def list_actions(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    status: Annotated[Literal["prepared", "signed", "withdrawn"] | None, Query()] = None,
    subject: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[ActionView]:
    """Actions of your party, newest first."""
    statement = actions.listing(caller, status=status, subject=subject)
    rows, following = await page(session, statement, ActionRecord.id, paging)
    return Page(items=[action_view(each) for each in rows], next=following)


@router.get("/actions/{action_id}", summary="Read an action")
async def get_action(action_id: UUID, caller: CurrentCaller, session: Session) -> ActionView:
    """The document to sign and what it means."""
    return action_view(await actions.get(session, caller, action_id))


@router.post("/actions/{action_id}/withdraw", summary="Withdraw an action")
async def withdraw_action(
    action_id: UUID, request: Request, caller: CurrentCaller, session: Session
) -> ActionView:
    """Ends an action that was not signed."""
    caller.require(Role.MAKER, Role.CHECKER)
    action = await actions.lock(session, caller, action_id)
    audit_subject(request, f"action:{action.id}")
    await actions.withdraw(session, action)
    return action_view(action)
