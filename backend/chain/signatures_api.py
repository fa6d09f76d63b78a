"""Routes of signatures: one, or up to a thousand at once."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import State

from backend.chain.api import (
    ActionView,
    CurrentActions,
    OperationView,
    View,
    action_view,
    operation_view,
)
from backend.chain.signatures import Brought, Taken, take
from backend.kit import logs
from backend.kit.messages import Locale
from backend.kit.problems import Problem
from backend.kit.together import Together
from backend.kit.web import (
    CurrentCaller,
    CurrentDeed,
    CurrentLocale,
    Route,
    Session,
    audit_subject,
    shares_transaction,
)

router = APIRouter(prefix="/v1", route_class=Route)

_MOST = 1_000
_TOGETHER = 200
"""So many signatures of single requests share a transaction; more would keep the first of them waiting."""
_SIGNATURE = Field(
    max_length=200,
    description="65 bytes r, s, v as 0x-hex; v is 27 or 28, s the lower one.",
    examples=["0x" + "1b" * 65],
)
_ID = Field(examples=["0190b8a7-5c00-7000-8000-000000000001"])


class SignatureBody(BaseModel):
    """A signature of an action's typed data."""

    model_config = ConfigDict(extra="forbid")

    signature: Annotated[str, _SIGNATURE]


class SignatureItem(SignatureBody):
    """A signature, and the action it is of."""

    action_id: Annotated[UUID, _ID]


class SignaturesBody(BaseModel):
    """Signatures of many actions."""

    model_config = ConfigDict(extra="forbid")

    signatures: list[SignatureItem] = Field(min_length=1, max_length=_MOST)


class SignatureResult(View):
    """What became of one signature: `problem` and `detail` say why it was refused."""

    action_id: Annotated[UUID, _ID]
    status: Literal["prepared", "signed", "refused"] = Field(
        description="`prepared` while another must sign."
    )
    operation_id: UUID | None = Field(description="What it set going.")
    problem: str | None = Field(examples=["action-expired"])
    detail: str | None


class Signing(Together[Brought, Taken]):
    """Signatures that single requests bring at the same time are taken in one transaction."""

    def __init__(self, state: State) -> None:
        async def carry_out(session: AsyncSession, brought: Sequence[Brought]) -> list[Taken | Problem]:
            session.info["relay_quota"] = state.settings.relay_quota
            return await take(state.actions, session, brought)

        super().__init__(state.database, carry_out, most=_TOGETHER)


@router.post(
    "/actions/{action_id}/signatures",
    summary="Sign an action",
    status_code=202,
    response_model=OperationView | ActionView,
)
@shares_transaction
async def sign_action(
    action_id: UUID,
    body: SignatureBody,
    request: Request,
    deed: CurrentDeed,
    caller: CurrentCaller,
    locale: CurrentLocale,
) -> Response:
    """Brings the signature of the action's typed data, made by a key that may act for the account.

    Answers the operation it set going; the action itself while another must sign, or where nothing has to go
    to the chain.
    """
    audit_subject(request, f"action:{action_id}")
    signing: Signing = request.app.state.signing
    brought = Brought(caller, action_id, body.signature)
    return await signing.do(deed, brought, partial(_answer, locale=locale))


async def _answer(_session: AsyncSession, taken: Taken, *, locale: Locale) -> Response:
    if taken.operation is None:
        return JSONResponse(action_view(taken.action).model_dump(mode="json"), status_code=202)
    logs.bind(operation=taken.operation.id)
    shown = operation_view(taken.operation, None, locale)
    return JSONResponse(shown.model_dump(mode="json"), status_code=202)


@router.post("/signatures", summary="Sign many actions", status_code=202)
async def sign_actions(
    body: SignaturesBody,
    request: Request,
    caller: CurrentCaller,
    session: Session,
    locale: CurrentLocale,
    mechanism: CurrentActions,
) -> list[SignatureResult]:
    """Brings up to 1,000 signatures, each taken or refused for itself; what came of them, in their order."""
    audit_subject(request, f"signatures:{len(body.signatures)}")
    brought = [Brought(caller, each.action_id, each.signature) for each in body.signatures]
    outcomes = await take(mechanism, session, brought)
    return [_result(each, outcome, locale) for each, outcome in zip(brought, outcomes, strict=True)]


def _result(brought: Brought, outcome: Taken | Problem, locale: Locale) -> SignatureResult:
    if isinstance(outcome, Problem):
        return SignatureResult(
            action_id=brought.action_id,
            status="refused",
            operation_id=None,
            problem=outcome.code,
            detail=outcome.detail(locale),
        )
    status = "signed" if outcome.action.status == "signed" else "prepared"
    return SignatureResult(
        action_id=brought.action_id,
        status=status,
        operation_id=outcome.action.operation_id,
        problem=None,
        detail=None,
    )
