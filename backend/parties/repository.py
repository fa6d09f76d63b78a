"""Ledgers, parties, their users and keys, and the accounts the chain says they have."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Select,
    String,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from backend.kit import bulk
from backend.kit.access import Owned
from backend.kit.clock import now
from backend.kit.database import Address, Amount, Base, Hash32, Json, UtcTime
from backend.kit.ids import uuid7


class Ledger(Base):
    """A deployment of the contracts on a chain. Its id follows from both (chain/contracts.py)."""

    __tablename__ = "ledgers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    chain_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcTime, default=now)


class Party(Base):
    """A company or person on a ledger: one canonical tax number, many other names and identifiers."""

    __tablename__ = "parties"
    __table_args__ = (UniqueConstraint("ledger_id", "country", "tax_number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    ledger_id: Mapped[UUID] = mapped_column(ForeignKey("ledgers.id"), index=True)
    country: Mapped[str] = mapped_column(String(2))
    tax_number: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(200))
    names: Mapped[list[str]] = mapped_column(Json, default=list)
    """Other names the party trades under, as they stand on documents."""
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime, default=now)


class PartyIdentifier(Owned, Base):
    """Another identifier of a party: a GLN, D-U-N-S number, LEI, VAT number of a second registration."""

    __tablename__ = "party_identifiers"
    __table_args__ = (UniqueConstraint("ledger_id", "scheme", "value"),)

    party_id: Mapped[UUID] = mapped_column(ForeignKey("parties.id"), index=True)
    scheme: Mapped[str] = mapped_column(String(20))
    value: Mapped[str] = mapped_column(String(100))


class PartyAccount(Owned, Base):
    """The party behind an account on the chain. The chain holds only a commitment; this is its opening."""

    __tablename__ = "party_accounts"
    __table_args__ = (UniqueConstraint("ledger_id", "account"),)

    party_id: Mapped[UUID] = mapped_column(ForeignKey("parties.id"), index=True)
    account: Mapped[str] = mapped_column(Address)
    salt: Mapped[str | None] = mapped_column(String(66))


class User(Owned, Base):
    """Somebody, or some program, acting for a party."""

    __tablename__ = "users"

    party_id: Mapped[UUID] = mapped_column(ForeignKey("parties.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    roles: Mapped[list[str]] = mapped_column(Json)
    active: Mapped[bool] = mapped_column(default=True)


class ApiKey(Owned, Base):
    """A key of a user. Only the hash of its secret is here; `prefix` lets a person recognise it."""

    __tablename__ = "api_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(12))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


_ONLY_ACCOUNT: Final = (
    select(func.min(PartyAccount.account))
    .where(PartyAccount.party_id == Party.id)
    .having(func.count() == 1)
    .scalar_subquery()
)
_CREDENTIALS: Final = (
    select(
        ApiKey.digest,
        ApiKey.revoked_at,
        ApiKey.expires_at,
        User.id.label("user_id"),
        User.roles,
        Party.id.label("party_id"),
        Party.ledger_id,
        and_(User.active, Party.active).label("active"),
        _ONLY_ACCOUNT.label("account"),
    )
    .join(User, User.id == ApiKey.user_id)
    .join(Party, Party.id == User.party_id)
    .where(ApiKey.digest.in_(bindparam("digests", expanding=True)))
)


async def credentials(session: AsyncSession, digests: Iterable[str]) -> dict[str, Any]:
    """The keys with these digests, by digest: user, party, and the party's account if it has exactly one.

    One statement of columns: every request asks it.
    """
    rows = await session.execute(_CREDENTIALS, {"digests": list(digests)})
    return {row.digest: row for row in rows}


async def party_by_tax_number(
    session: AsyncSession, ledger_id: UUID, country: str, tax_number: str
) -> Party | None:
    """The party with this canonical tax number."""
    return await session.scalar(
        select(Party).where(
            Party.ledger_id == ledger_id, Party.country == country, Party.tax_number == tax_number
        )
    )


async def party_by_identifier(
    session: AsyncSession, ledger_id: UUID, scheme: str, value: str
) -> Party | None:
    """The party with this other identifier."""
    return await session.scalar(
        select(Party)
        .join(PartyIdentifier, PartyIdentifier.party_id == Party.id)
        .where(
            PartyIdentifier.ledger_id == ledger_id,
            PartyIdentifier.scheme == scheme,
            PartyIdentifier.value == value,
        )
    )


async def parties_of_identifiers(
    session: AsyncSession, ledger_id: UUID, scheme: str, values: Iterable[str]
) -> dict[str, UUID]:
    """The parties with these other identifiers, by identifier; those nobody has are left out."""
    rows = await session.execute(
        select(PartyIdentifier.value, PartyIdentifier.party_id).where(
            PartyIdentifier.ledger_id == ledger_id,
            PartyIdentifier.scheme == scheme,
            bulk.among(session, PartyIdentifier.value, set(values)),
        )
    )
    return {row.value: row.party_id for row in rows}


async def parties_by_name(session: AsyncSession, ledger_id: UUID, name: str) -> Sequence[Party]:
    """At most two parties admitted under exactly this name."""
    statement = select(Party).where(Party.ledger_id == ledger_id, Party.name == name)
    return (await session.scalars(statement.limit(2))).all()


async def party_of_account(session: AsyncSession, ledger_id: UUID, account: str) -> Party | None:
    """The party behind an account on the chain."""
    return await session.scalar(
        select(Party)
        .join(PartyAccount, PartyAccount.party_id == Party.id)
        .where(PartyAccount.ledger_id == ledger_id, PartyAccount.account == account)
    )


_NAMES = (
    select(PartyAccount.account, Party.name)
    .join(Party, Party.id == PartyAccount.party_id)
    .where(
        PartyAccount.ledger_id == bindparam("ledger_id", type_=Uuid()),
        PartyAccount.account.in_(bindparam("accounts", expanding=True)),
    )
)


async def names_of_accounts(
    session: AsyncSession, ledger_id: UUID, accounts: Sequence[str]
) -> dict[str, str]:
    """Party names by account."""
    rows = await session.execute(_NAMES, {"ledger_id": ledger_id, "accounts": accounts})
    return {row.account: row.name for row in rows}


async def accounts_of(session: AsyncSession, party_id: UUID) -> Sequence[str]:
    """The accounts of a party, oldest first."""
    statement = select(PartyAccount.account).where(PartyAccount.party_id == party_id)
    return (await session.scalars(statement.order_by(PartyAccount.id))).all()


async def accounts_beside(
    session: AsyncSession, ledger_id: UUID, accounts: Collection[str]
) -> dict[str, frozenset[str]]:
    """Each of the accounts, and with it the others of its party."""
    own, other = aliased(PartyAccount), aliased(PartyAccount)
    statement = (
        select(own.account, other.account)
        .join(other, other.party_id == own.party_id)
        .where(own.ledger_id == ledger_id, own.account.in_(accounts))
    )
    found = {account: {account} for account in accounts}
    for account, beside in await session.execute(statement):
        found[account].add(beside)
    return {account: frozenset(beside) for account, beside in found.items()}


async def identifiers_of(session: AsyncSession, party_id: UUID) -> Sequence[PartyIdentifier]:
    """The other identifiers of a party."""
    statement = select(PartyIdentifier).where(PartyIdentifier.party_id == party_id)
    return (await session.scalars(statement.order_by(PartyIdentifier.id))).all()


async def identifiers_of_each(
    session: AsyncSession, party_ids: Collection[UUID]
) -> dict[UUID, list[PartyIdentifier]]:
    """The other identifiers of several parties."""
    found: dict[UUID, list[PartyIdentifier]] = {each: [] for each in party_ids}
    statement = select(PartyIdentifier).where(PartyIdentifier.party_id.in_(party_ids))
    for row in await session.scalars(statement.order_by(PartyIdentifier.id)):
        found[row.party_id].append(row)
    return found


def directory(ledger_id: UUID) -> Select[Party]:
    """All parties of a ledger: its members may know of each other."""
    return select(Party).where(Party.ledger_id == ledger_id)


async def party(session: AsyncSession, ledger_id: UUID, party_id: UUID) -> Party | None:
    """One party of a ledger."""
    found = await session.get(Party, party_id)
    return found if found is not None and found.ledger_id == ledger_id else None


async def user(session: AsyncSession, ledger_id: UUID, user_id: UUID) -> User | None:
    """One user of a ledger."""
    return await session.scalar(select(User).where(User.ledger_id == ledger_id, User.id == user_id))


async def key(session: AsyncSession, ledger_id: UUID, key_id: UUID) -> ApiKey | None:
    """One API key of a ledger."""
    return await session.scalar(select(ApiKey).where(ApiKey.ledger_id == ledger_id, ApiKey.id == key_id))


def users_of(party_id: UUID) -> Select[User]:
    """The users of a party."""
    return select(User).where(User.party_id == party_id)


def keys_of(user_id: UUID) -> Select[ApiKey]:
    """The API keys of a user."""
    return select(ApiKey).where(ApiKey.user_id == user_id)


async def count_parties(session: AsyncSession, ledger_id: UUID) -> int:
    """How many parties a ledger has."""
    statement = select(func.count()).select_from(Party).where(Party.ledger_id == ledger_id)
    return (await session.execute(statement)).scalar_one()


class AccountRecord(Base):
    """An account as the chain says it is. Kept by the accounts projection."""

    __tablename__ = "accounts"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(Address, primary_key=True)
    commitment: Mapped[str] = mapped_column(Hash32)
    roles: Mapped[int]
    valid_until: Mapped[datetime] = mapped_column(UtcTime)
    suspended: Mapped[bool]
    hosted: Mapped[bool]
    open: Mapped[bool]
    """Takes claims without being asked each time."""
    epoch: Mapped[int]
    payout: Mapped[str | None] = mapped_column(Address)


class Grant(Base):
    """A key's right to act for an account, as the chain says it is. Kept by the accounts projection."""

    __tablename__ = "account_grants"
    __table_args__ = (Index("ix_account_grants_key", "ledger_id", "key"),)

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(Address, primary_key=True)
    key: Mapped[str] = mapped_column(Hash32, primary_key=True)
    """An Ethereum address left-padded to 32 bytes, or the RFC 7638 thumbprint of a machine's key."""
    scopes: Mapped[int]
    epoch: Mapped[int]
    starts_at: Mapped[datetime] = mapped_column(UtcTime)
    ends_at: Mapped[datetime] = mapped_column(UtcTime)
    amount_limit: Mapped[int] = mapped_column(Amount)
    """The most one action may be for, in minor units; 2**64 - 1 for no limit."""
    alone_limit: Mapped[int] = mapped_column(Amount)
    """Above it a second signer is needed; 2**64 - 1 for never."""


def key_of(signer: str) -> str:
    """The key id of an Ethereum address: left-padded to 32 bytes."""
    return "0x" + signer[2:].lower().rjust(64, "0")


async def has_grant(
    session: AsyncSession, ledger_id: UUID, account: str, signer: str, scope: int, moment: datetime
) -> bool:
    """Whether the signer's key has a grant for the account with `scope` at `moment`."""
    statement = (
        select(Grant.scopes)
        .join(
            AccountRecord,
            (AccountRecord.ledger_id == Grant.ledger_id)
            & (AccountRecord.account == Grant.account)
            & (AccountRecord.epoch == Grant.epoch),
        )
        .where(
            Grant.ledger_id == ledger_id,
            Grant.account == account,
            Grant.key == key_of(signer),
            Grant.starts_at <= moment,
            Grant.ends_at >= moment,
        )
    )
    scopes = await session.scalar(statement)
    return scopes is not None and scopes & scope == scope
