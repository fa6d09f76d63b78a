"""What can be done with parties, users and keys. Each function works in the transaction it is given."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller, Role, Unauthenticated
from backend.kit.clock import now
from backend.kit.problems import FieldError, InvalidRequest, NotFound, Problem
from backend.kit.spelling import MalformedError, canonical_tax_number
from backend.parties import model, repository
from backend.parties.repository import (
    AccountRecord,
    ApiKey,
    Ledger,
    Party,
    PartyAccount,
    PartyIdentifier,
    User,
)


class PartyExists(Problem):
    """The ledger already has a party with this tax number or identifier."""

    status, code = 409, "party-exists"


class AccountTaken(Problem):
    """The account on the chain already belongs to a party."""

    status, code = 409, "account-taken"


class RolesContradict(Problem):
    """An auditor changes nothing, so it cannot also be a maker, checker or operator."""

    status, code = 422, "roles-contradict"


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which is shown once and never stored."""

    row: ApiKey
    secret: str


async def open_ledger(session: AsyncSession, ledger_id: UUID, *, name: str, chain_id: int) -> Ledger:
    """The ledger of this deployment, made on first use."""
    ledger = await session.get(Ledger, ledger_id)
    if ledger is None:
        ledger = Ledger(id=ledger_id, name=name, chain_id=chain_id)
        session.add(ledger)
        await session.flush()
    return ledger


async def admit_party(
    session: AsyncSession,
    ledger_id: UUID,
    *,
    country: str,
    tax_number: str,
    name: str,
    names: Iterable[str] = (),
    glns: Iterable[str] = (),
    identifiers: Mapping[str, str] | None = None,
) -> Party:
    """Records a party. Raises InvalidRequest for a malformed number, PartyExists for one that is taken."""
    errors: list[FieldError] = []

    def checked(pointer: str, canonical: Callable[[], str]) -> str:
        try:
            return canonical()
        except MalformedError as error:
            errors.append(FieldError(pointer, "malformed", detail=str(error)))
            return ""

    land = checked("/country", lambda: model.canonical_country(country))
    number = checked("/tax_number", lambda: canonical_tax_number(land, tax_number))
    others = [
        ("gln", checked(f"/glns/{place}", lambda gln=gln: model.canonical_gln(gln)))  # type: ignore[misc]
        for place, gln in enumerate(glns)
    ]
    others += [(scheme.lower(), value.strip()) for scheme, value in (identifiers or {}).items()]
    if errors:
        raise InvalidRequest(errors=errors)
    party = Party(ledger_id=ledger_id, country=land, tax_number=number, name=name, names=list(names))
    session.add(party)
    try:
        await session.flush()
        session.add_all(
            PartyIdentifier(ledger_id=ledger_id, party_id=party.id, scheme=scheme, value=value)
            for scheme, value in others
        )
        await session.flush()
    except IntegrityError as error:
        raise PartyExists(country=land, tax_number=number) from error
    return party


async def link_account(
    session: AsyncSession, party: Party, account: str, *, salt: str | None = None
) -> PartyAccount:
    """Says which party is behind an account on the chain. Raises AccountTaken."""
    link = PartyAccount(ledger_id=party.ledger_id, party_id=party.id, account=account, salt=salt)
    session.add(link)
    try:
        await session.flush()
    except IntegrityError as error:
        raise AccountTaken(account=account) from error
    return link


async def create_user(session: AsyncSession, party: Party, *, name: str, roles: Iterable[Role]) -> User:
    """A user of `party`. Raises RolesContradict."""
    chosen = frozenset(roles)
    if model.contradictory_roles(chosen):
        raise RolesContradict()
    user = User(ledger_id=party.ledger_id, party_id=party.id, name=name, roles=sorted(chosen))
    session.add(user)
    await session.flush()
    return user


async def create_key(
    session: AsyncSession, user: User, *, label: str, expires_at: datetime | None = None
) -> IssuedKey:
    """A new API key of `user`."""
    new = model.NewKey.generate()
    row = ApiKey(
        ledger_id=user.ledger_id,
        party_id=user.party_id,
        user_id=user.id,
        label=label,
        prefix=new.prefix,
        digest=new.digest,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return IssuedKey(row, new.secret)


async def revoke_key(session: AsyncSession, key: ApiKey) -> None:
    """Ends a key at once; revoking twice changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = now()
        await session.flush()


async def authenticate(session: AsyncSession, authorization: str | None) -> Caller:
    """The caller behind an Authorization header. Raises Unauthenticated without saying why."""
    (caller,) = await recognise(session, [authorization])
    if caller is None:
        raise Unauthenticated()
    return caller


async def recognise(session: AsyncSession, headers: Sequence[str | None]) -> list[Caller | None]:
    """The callers behind Authorization headers, in their order; None behind one that is no good."""
    digests = [_digest_of(header) for header in headers]
    asked = {digest for digest in digests if digest is not None}
    found = await repository.credentials(session, asked) if asked else {}
    callers = {digest: _caller(key) for digest, key in found.items()}
    return [None if digest is None else callers.get(digest) for digest in digests]


def _digest_of(authorization: str | None) -> str | None:
    scheme, _, secret = (authorization or "").partition(" ")
    secret = secret.strip()
    good = scheme.lower() == "bearer" and secret.startswith(model.KEY_START)
    return model.digest(secret) if good else None


def _caller(key: Any) -> Caller | None:
    if not (model.key_is_valid(key.revoked_at, key.expires_at, now()) and key.active):
        return None
    return Caller(
        user_id=key.user_id,
        party_id=key.party_id,
        ledger_id=key.ledger_id,
        roles=frozenset(Role(role) for role in key.roles),
        account=key.account,
    )


async def find_by_tax_number(
    session: AsyncSession, ledger_id: UUID, country: str, tax_number: str
) -> Party | None:
    """The party a tax number on a document names, in whatever spelling; None if none or not a number."""
    try:
        land = model.canonical_country(country)
        number = canonical_tax_number(land, tax_number)
    except MalformedError:
        return None
    return await repository.party_by_tax_number(session, ledger_id, land, number)


async def find_by_gln(session: AsyncSession, ledger_id: UUID, gln: str) -> Party | None:
    """The party a GLN names; None if none or not a GLN."""
    try:
        return await repository.party_by_identifier(session, ledger_id, "gln", model.canonical_gln(gln))
    except MalformedError:
        return None


async def find_by_name(session: AsyncSession, ledger_id: UUID, name: str) -> Party | None:
    """The party admitted under exactly this name; None if there is none, or more than one."""
    found = await repository.parties_by_name(session, ledger_id, name)
    return found[0] if len(found) == 1 else None


async def identifiers(session: AsyncSession, party_id: UUID) -> Sequence[PartyIdentifier]:
    """The other identifiers of a party, oldest first."""
    return await repository.identifiers_of(session, party_id)


async def colleagues(session: AsyncSession, party_id: UUID) -> Sequence[User]:
    """The users of a party."""
    return (await session.scalars(repository.users_of(party_id))).all()


async def get_party(session: AsyncSession, ledger_id: UUID, party_id: UUID) -> Party:
    """The party, or NotFound."""
    if (party := await repository.party(session, ledger_id, party_id)) is None:
        raise NotFound()
    return party


async def account_in_role(session: AsyncSession, ledger_id: UUID, party_id: UUID, role: int) -> str | None:
    """The first account of the party whose admission gives `role` (a `ROLE_…` bit of Participants)."""
    for account in await repository.accounts_of(session, party_id):
        record = await session.get(AccountRecord, (ledger_id, account))
        if record is not None and record.roles & role:
            return account
    return None


async def account_open(session: AsyncSession, ledger_id: UUID, account: str) -> bool:
    """Whether the account takes claims without being asked each time."""
    record = await session.get(AccountRecord, (ledger_id, account))
    return record is not None and record.open


async def accounts_of(session: AsyncSession, party_id: UUID) -> Sequence[str]:
    """The accounts of a party, oldest first."""
    return await repository.accounts_of(session, party_id)


async def party_of_account(session: AsyncSession, ledger_id: UUID, account: str) -> Party | None:
    """The party behind an account on the chain."""
    return await repository.party_of_account(session, ledger_id, account)


async def names_of_accounts(
    session: AsyncSession, ledger_id: UUID, accounts: Sequence[str]
) -> dict[str, str]:
    """The name of the party behind each account: members of a ledger may know of each other."""
    return await repository.names_of_accounts(session, ledger_id, accounts)


async def may_sign(session: AsyncSession, ledger_id: UUID, account: str, signer: str, scope: int) -> bool:
    """Whether `signer` holds a key with `scope` for `account` now, as far as the index has come."""
    return await repository.has_grant(session, ledger_id, account, signer, scope, now())
