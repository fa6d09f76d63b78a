"""Routes of grants: who else may read a party's events."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from backend.kit.clock import iso, now
from backend.kit.web import CurrentCaller, Page, Paging, Route, Session, audit_subject, page
from backend.provenance import grants
from backend.provenance.grants import ReadingGrant

router = APIRouter(prefix="/v1/event-grants", route_class=Route, tags=["Event grants"])

_TRANSACTION = "urn:epcglobal:cbv:bt:4098765000010:PO-7"


class GrantBody(BaseModel):
    """Whom to let read, what, and until when."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reader_id: Annotated[UUID, Field(strict=False)] = Field(description="The party that may read.")
    scope: Literal["all", "item", "location", "transaction"] = Field(
        description="All events your party recorded and will record, or those that name `value`."
    )
    value: str = Field(
        default="",
        max_length=2000,
        examples=[_TRANSACTION],
        description="An EPC or class, a place, or a business transaction; nothing with the scope `all`.",
    )
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.scope == "all") == bool(self.value):
            raise ValueError("a value belongs to every scope but `all`")
        if self.expires_at is not None and self.expires_at <= now():
            raise ValueError("expires_at lies in the past")
        return self


class GrantView(BaseModel):
    """A grant, given or received."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    owner_id: UUID = Field(description="The party whose events may be read.")
    reader_id: UUID
    scope: str
    value: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    @classmethod
    def of(cls, row: ReadingGrant) -> Self:
        times: dict[str, Any] = {
            name: iso(moment) if (moment := getattr(row, name)) else None
            for name in ("created_at", "expires_at", "revoked_at")
        }
        return cls(
            id=row.id,
            owner_id=row.party_id,
            reader_id=row.reader_id,
            scope=row.scope,
            value=row.value,
            **times,
        )


@router.post("", status_code=201)
async def give(body: GrantBody, request: Request, session: Session, caller: CurrentCaller) -> GrantView:
    """Let another party read events that yours recorded."""
    made = await grants.give(
        session,
        caller,
        reader_id=body.reader_id,
        scope=body.scope,
        value=body.value,
        expires_at=body.expires_at,
    )
    audit_subject(request, f"event-grant:{made.id}")
    return GrantView.of(made)


@router.get("")
async def list_grants(session: Session, caller: CurrentCaller, paging: Paging) -> Page[GrantView]:
    """The grants your party gave or was given, newest first."""
    rows, following = await page(session, grants.grants(caller), ReadingGrant.id, paging)
    return Page(items=[GrantView.of(row) for row in rows], next=following)


@router.delete("/{grant_id}")
async def take_back(grant_id: UUID, request: Request, session: Session, caller: CurrentCaller) -> GrantView:
    """End a grant at once: for queries, subscriptions, traces and proofs."""
    audit_subject(request, f"event-grant:{grant_id}")
    return GrantView.of(await grants.take_back(session, caller, grant_id))
