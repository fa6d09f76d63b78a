"""Routes of parties: who am I, who is on this ledger, and what the operator does about it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select

from backend.kit.access import Caller, Role, visible_to
from backend.kit.audit import AuditEntry
from backend.kit.columns import address
from backend.kit.problems import NotFound
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
from backend.parties import repository, service
from backend.parties.repository import ApiKey, Party, User

router = APIRouter(prefix="/v1", route_class=Route, tags=["parties"])

_ID = "0190b8a7-5c00-7000-8000-000000000001"
_ACCOUNT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
Name = Annotated[str, Field(min_length=1, max_length=200)]
AccountAddress = Annotated[str, AfterValidator(address)]


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class Body(BaseModel):
    """What a request looks like; a member it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class MeView(View):
    """The caller as the server sees it."""

    user_id: UUID = Field(examples=[_ID])
    party_id: UUID = Field(examples=[_ID])
    party_name: str = Field(examples=["Nordlicht Pumpenbau GmbH"])
    ledger_id: UUID = Field(examples=[_ID])
    roles: list[Role] = Field(examples=[["maker", "checker"]])
    accounts: list[str] = Field(examples=[[_ACCOUNT]])


class Identifier(View):
    """Another identifier of a party."""

    scheme: str = Field(pattern="^[a-z0-9-]{2,20}$", examples=["gln"])
    value: str = Field(min_length=1, max_length=100, examples=["4012345000009"])


class PartyView(View):
    """A party. Its tax number and identifiers are shown to itself, auditors and operators."""

    id: UUID = Field(examples=[_ID])
    name: str = Field(examples=["Nordlicht Pumpenbau GmbH"])
    country: str = Field(examples=["DE"])
    active: bool
    accounts: list[str] = Field(examples=[[_ACCOUNT]])
    tax_number: str | None = Field(examples=["123456788"])
    names: list[str] | None
    identifiers: list[Identifier] | None


class PartyBody(Body):
    """A party to admit."""

    country: str = Field(min_length=2, max_length=2, examples=["DE"])
    tax_number: str = Field(min_length=4, max_length=64, examples=["DE 123 456 788"])
    name: Name = Field(examples=["Nordlicht Pumpenbau GmbH"])
    names: list[Name] = Field(default=[], max_length=20, description="Other names on its documents.")
    glns: list[str] = Field(default=[], max_length=200, examples=[["4012345000009"]])
    identifiers: list[Identifier] = Field(default=[], max_length=50)


class AccountBody(Body):
    """An account on the chain that is this party's."""

    account: AccountAddress = Field(examples=[_ACCOUNT])
    salt: str | None = Field(default=None, pattern="^0x[0-9a-f]{64}$", examples=["0x" + "5a" * 32])


class UserBody(Body):
    """A user of a party."""

    name: str = Field(min_length=1, max_length=100, examples=["accounts receivable"])
    roles: list[Role] = Field(min_length=1, examples=[["maker", "checker"]])


class UserView(View):
    """A user of a party."""

    id: UUID = Field(examples=[_ID])
    party_id: UUID = Field(examples=[_ID])
    name: str
    roles: list[Role]
    active: bool


class KeyBody(Body):
    """An API key to make."""

    label: str = Field(min_length=1, max_length=100, examples=["ERP connector"])
    expires_at: Moment | None = None


class KeyView(View):
    """An API key as it can be shown any time."""

    id: UUID = Field(examples=[_ID])
    label: str
    prefix: str = Field(examples=["tsk_Zm9vYmFy"])
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKeyView(KeyView):
    """A new API key with its secret, which is shown this once."""

    secret: str = Field(examples=["tsk_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"])


class AuditView(View):
    """An entry of the audit log."""

    id: UUID = Field(examples=[_ID])
    at: datetime
    party_id: UUID
    user_id: UUID | None
    action: str = Field(examples=["POST /v1/parties"])
    subject: str | None = Field(examples=[f"party:{_ID}"])
    request_id: str | None
    detail: dict[str, Any]


async def _party_view(session: Session, caller: Caller, party: Party) -> PartyView:
    open_to_caller = caller.sees_everything or party.id == caller.party_id
    identifiers = await repository.identifiers_of(session, party.id) if open_to_caller else []
    return PartyView(
        id=party.id,
        name=party.name,
        country=party.country,
        active=party.active,
        accounts=list(await repository.accounts_of(session, party.id)),
        tax_number=party.tax_number if open_to_caller else None,
        names=party.names if open_to_caller else None,
        identifiers=[Identifier(scheme=each.scheme, value=each.value) for each in identifiers]
        if open_to_caller
        else None,
    )


def _key_fields(key: ApiKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in KeyView.model_fields}


def _user_view(user: User) -> UserView:
    return UserView(**{name: getattr(user, name) for name in UserView.model_fields})


async def _user(session: Session, caller: Caller, user_id: UUID) -> User:
    """A user the caller may manage: the operator's any, nobody else's."""
    caller.require(Role.OPERATOR)
    if (user := await repository.user(session, caller.ledger_id, user_id)) is None:
        raise NotFound()
    return user


@router.get("/me", summary="Who am I")
async def me(caller: CurrentCaller, session: Session) -> MeView:
    """The user and party behind the API key."""
    party = await service.get_party(session, caller.ledger_id, caller.party_id)
    return MeView(
        user_id=caller.user_id,
        party_id=party.id,
        party_name=party.name,
        ledger_id=caller.ledger_id,
        roles=sorted(caller.roles),
        accounts=list(await repository.accounts_of(session, party.id)),
    )


@router.get("/parties", summary="Who is on this ledger")
async def list_parties(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    name: Annotated[str | None, Query(max_length=200, description="Part of a name.")] = None,
) -> Page[PartyView]:
    """The directory of the ledger's parties."""
    statement = repository.directory(caller.ledger_id)
    if name is not None:
        statement = statement.where(Party.name.icontains(name, autoescape=True))
    rows, following = await page(session, statement, Party.id, paging)
    return Page(items=[await _party_view(session, caller, each) for each in rows], next=following)


@router.get("/parties/{party_id}", summary="Read a party")
async def get_party(party_id: UUID, caller: CurrentCaller, session: Session) -> PartyView:
    """One party of the ledger."""
    party = await service.get_party(session, caller.ledger_id, party_id)
    return await _party_view(session, caller, party)


@router.post("/parties", summary="Admit a party", status_code=201)
async def admit_party(
    body: PartyBody, request: Request, caller: CurrentCaller, session: Session
) -> PartyView:
    """Records a party. By the operator."""
    caller.require(Role.OPERATOR)
    party = await service.admit_party(
        session,
        caller.ledger_id,
        country=body.country,
        tax_number=body.tax_number,
        name=body.name,
        names=body.names,
        glns=body.glns,
        identifiers={each.scheme: each.value for each in body.identifiers},
    )
    audit_subject(request, f"party:{party.id}")
    return await _party_view(session, caller, party)


@router.post("/parties/{party_id}/accounts", summary="Name the party behind an account", status_code=201)
async def link_account(
    party_id: UUID, body: AccountBody, request: Request, caller: CurrentCaller, session: Session
) -> PartyView:
    """Says that an account on the chain is this party's. By the operator."""
    caller.require(Role.OPERATOR)
    party = await service.get_party(session, caller.ledger_id, party_id)
    audit_subject(request, f"party:{party.id}")
    await service.link_account(session, party, body.account, salt=body.salt)
    return await _party_view(session, caller, party)


@router.post("/parties/{party_id}/users", summary="Add a user", status_code=201)
async def create_user(
    party_id: UUID, body: UserBody, request: Request, caller: CurrentCaller, session: Session
) -> UserView:
    """Adds a user to a party. By the operator."""
    caller.require(Role.OPERATOR)
    party = await service.get_party(session, caller.ledger_id, party_id)
    user = await service.create_user(session, party, name=body.name, roles=body.roles)
    audit_subject(request, f"user:{user.id}")
    return _user_view(user)


@router.get("/parties/{party_id}/users", summary="List the users of a party")
async def list_users(
    party_id: UUID, caller: CurrentCaller, session: Session, paging: Paging
) -> Page[UserView]:
    """Your own party's users; any party's for the operator and auditors."""
    if not caller.sees_everything and party_id != caller.party_id:
        raise NotFound()
    party = await service.get_party(session, caller.ledger_id, party_id)
    rows, following = await page(session, repository.users_of(party.id), User.id, paging)
    return Page(items=[_user_view(each) for each in rows], next=following)


@router.post("/users/{user_id}/keys", summary="Make an API key", status_code=201)
@answers_with_secret
async def create_key(
    user_id: UUID, body: KeyBody, request: Request, caller: CurrentCaller, session: Session
) -> NewKeyView:
    """Makes an API key. Its secret is in this answer and nowhere else. By the operator."""
    user = await _user(session, caller, user_id)
    issued = await service.create_key(session, user, label=body.label, expires_at=body.expires_at)
    audit_subject(request, f"key:{issued.row.id}")
    return NewKeyView(**_key_fields(issued.row), secret=issued.secret)


@router.get("/users/{user_id}/keys", summary="List API keys")
async def list_keys(user_id: UUID, caller: CurrentCaller, session: Session, paging: Paging) -> Page[KeyView]:
    """The keys of a user, without their secrets. By the operator."""
    user = await _user(session, caller, user_id)
    rows, following = await page(session, repository.keys_of(user.id), ApiKey.id, paging)
    return Page(items=[KeyView(**_key_fields(each)) for each in rows], next=following)


@router.post("/keys/{key_id}/revoke", summary="Revoke an API key")
async def revoke_key(key_id: UUID, request: Request, caller: CurrentCaller, session: Session) -> KeyView:
    """Ends a key at once. By the operator."""
    caller.require(Role.OPERATOR)
    if (key := await repository.key(session, caller.ledger_id, key_id)) is None:
        raise NotFound()
    audit_subject(request, f"key:{key.id}")
    await service.revoke_key(session, key)
    return KeyView(**_key_fields(key))


@router.get("/audit", summary="Read the audit log")
async def list_audit(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    subject: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[AuditView]:
    """What was changed, by whom, through which request: your own party's changes; all for auditors."""
    statement = select(AuditEntry).where(visible_to(caller, AuditEntry))
    if subject is not None:
        statement = statement.where(AuditEntry.subject == subject)
    rows, following = await page(session, statement, AuditEntry.id, paging)
    fields = [name for name in AuditView.model_fields if name != "at"]
    items = [AuditView(at=each.created_at, **{name: getattr(each, name) for name in fields}) for each in rows]
    return Page(items=items, next=following)
