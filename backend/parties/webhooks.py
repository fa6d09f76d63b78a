"""Routes of webhooks: where a party wants to be told what happens."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from backend.kit import notices, outgoing
from backend.kit.access import Role, visible_to
from backend.kit.notices import Notice, Webhook
from backend.kit.problems import FieldError, InvalidRequest, NotFound
from backend.kit.settings import Settings
from backend.kit.strict import Moment
from backend.kit.web import (
    CurrentCaller,
    Page,
    Paging,
    Route,
    Session,
    answers_with_secret,
    audit_subject,
    page,
)

router = APIRouter(prefix="/v1", route_class=Route, tags=["webhooks"])

_ID = "0190b8a7-5c00-7000-8000-000000000001"
_URL = "https://erp.example.com/tallystick"


class WebhookBody(BaseModel):
    """An address to send notices to."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2_000, examples=[_URL])
    types: list[Annotated[str, Field(pattern=r"^[a-z.-]{1,80}$")]] = Field(
        default=[], max_length=50, description="Beginnings of types; none for all.", examples=[["operation"]]
    )


class WebhookView(BaseModel):
    """A webhook as it can be shown any time."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(examples=[_ID])
    url: str = Field(examples=[_URL])
    types: list[str] = Field(examples=[["operation"]])
    active: bool
    created_at: datetime
    failing_since: datetime | None
    last_error: str | None = Field(examples=["erp.example.com answered 503"])


class NewWebhookView(WebhookView):
    """A new webhook with the secret its notices are signed with, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class ReplayBody(BaseModel):
    """From when on notices are to be sent once more."""

    model_config = ConfigDict(extra="forbid")

    since: Moment


class ReplayView(BaseModel):
    """How many notices will be sent once more."""

    count: int = Field(examples=[12])


class NoticeView(BaseModel):
    """Something that happened."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(examples=[_ID], description="The webhook-id it is sent under.")
    type: str = Field(examples=["operation.succeeded"])
    subject: str = Field(examples=[f"receivable:{_ID}"])
    created_at: datetime
    data: dict[str, Any] = Field(examples=[{"operation": _ID, "kind": "receivable.confirm"}])


def _fields(webhook: Webhook) -> dict[str, Any]:
    return {name: getattr(webhook, name) for name in WebhookView.model_fields}


async def _own(session: Session, caller: CurrentCaller, webhook_id: UUID) -> Webhook:
    statement = select(Webhook).where(
        Webhook.id == webhook_id, Webhook.ledger_id == caller.ledger_id, Webhook.party_id == caller.party_id
    )
    if (webhook := await session.scalar(statement.with_for_update())) is None:
        raise NotFound()
    return webhook


@router.post("/webhooks", summary="Be told what happens", status_code=201)
@answers_with_secret
async def create_webhook(
    body: WebhookBody, request: Request, caller: CurrentCaller, session: Session
) -> NewWebhookView:
    """Adds an address to which your party's notices are sent, signed as Standard Webhooks says."""
    caller.require(Role.CHECKER, Role.OPERATOR)
    settings: Settings = request.app.state.settings
    try:
        await outgoing.resolve(body.url, allow_private=settings.allow_private_webhooks)
    except outgoing.DeliveryError as error:
        raise InvalidRequest(errors=[FieldError("/url", "url", detail=str(error))]) from error
    webhook = Webhook(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        url=body.url,
        types=body.types,
        secret=notices.new_secret(),
    )
    session.add(webhook)
    await session.flush()
    audit_subject(request, f"webhook:{webhook.id}")
    return NewWebhookView(**_fields(webhook), secret=webhook.secret)


@router.get("/webhooks", summary="List webhooks")
async def list_webhooks(caller: CurrentCaller, session: Session, paging: Paging) -> Page[WebhookView]:
    """Your party's webhooks and how they fare."""
    statement = select(Webhook).where(visible_to(caller, Webhook))
    rows, following = await page(session, statement, Webhook.id, paging)
    return Page(items=[WebhookView(**_fields(each)) for each in rows], next=following)


@router.post("/webhooks/{webhook_id}/stop", summary="Stop a webhook")
async def stop_webhook(
    webhook_id: UUID, request: Request, caller: CurrentCaller, session: Session
) -> WebhookView:
    """Sends nothing more; what happens meanwhile waits."""
    webhook = await _own(session, caller, webhook_id)
    audit_subject(request, f"webhook:{webhook.id}")
    webhook.active = False
    await session.flush()
    return WebhookView(**_fields(webhook))


@router.post("/webhooks/{webhook_id}/start", summary="Take up a webhook again")
async def start_webhook(
    webhook_id: UUID, request: Request, caller: CurrentCaller, session: Session
) -> WebhookView:
    """Goes on where it was stopped or switched off after failing too long."""
    webhook = await _own(session, caller, webhook_id)
    audit_subject(request, f"webhook:{webhook.id}")
    await notices.switch_on(session, webhook)
    await session.flush()
    return WebhookView(**_fields(webhook))


@router.post("/webhooks/{webhook_id}/replay", summary="Send notices once more", status_code=202)
async def replay_webhook(
    webhook_id: UUID, body: ReplayBody, request: Request, caller: CurrentCaller, session: Session
) -> ReplayView:
    """Sends the notices since a moment once more, under the ids they had."""
    webhook = await _own(session, caller, webhook_id)
    audit_subject(request, f"webhook:{webhook.id}")
    return ReplayView(count=await notices.replay(session, webhook, body.since))


@router.get("/notices", summary="List what happened")
async def list_notices(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    subject: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[NoticeView]:
    """Notices to your party, newest first: what webhooks carry, for those who would rather ask."""
    statement = select(Notice).where(visible_to(caller, Notice))
    if subject is not None:
        statement = statement.where(Notice.subject == subject)
    rows, following = await page(session, statement, Notice.id, paging)
    items = [NoticeView(**{name: getattr(each, name) for name in NoticeView.model_fields}) for each in rows]
    return Page(items=items, next=following)
