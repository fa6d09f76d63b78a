"""Capture: a document becomes events, index rows and leaves of the log, in one transaction or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.kit.clock import from_unix, iso, now
from backend.kit.columns import address, hash32
from backend.kit.disclosure import SALT_BYTES, SaltedFields, flatten
from backend.kit.ids import uuid7
from backend.kit.merkle import root_of
from backend.kit.messages import text
from backend.kit.problems import FieldError
from backend.parties import repository as parties
from backend.parties import service as party_service
from backend.provenance import keys, repository
from backend.provenance.config import LogConfig
from backend.provenance.epcis.document import Document, Event, Fault, Unreadable
from backend.provenance.epcis.validation import envelope_faults, event_faults, read
from backend.provenance.epcis.values import dumps
from backend.provenance.log import service as log
from backend.provenance.problems import (
    AccountNotYours,
    DocumentInvalid,
    DocumentTooLarge,
    SignatureInvalid,
)
from backend.provenance.tables import CaptureJob, LogState, ReceivedDocument
from backend.verifier import capture as signing
from backend.verifier.leaf import Leaf, body_hash, cbv_digest

SCOPE_RECORD: Final = 1 << 9
"""Participants' scope of keys that may sign events (contracts/types/Account.sol)."""

UNSIGNED: Final = bytes(32)
"""The key id in leaves of documents that nobody signed."""

NO_ACCOUNT: Final = bytes(20)
Behaviour: TypeAlias = Literal["rollback", "proceed"]
_TOO_LARGE: Final = frozenset({"too-large", "too-many-events"})
_MOST_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class Proof:
    """The recorder's signature: over the document's bytes, for an account, by one of its keys."""

    account: str
    signature: bytes
    jwk: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A valid event with everything of it that does not depend on its place in the log."""

    event: Event
    place: int
    identity: str
    cbv_hash: str
    event_id: str
    fields: SaltedFields
    keys: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Captured:
    """A finished job, its leaves, and the log's signed promise about them."""

    job: CaptureJob
    first: int
    leaves: tuple[Leaf, ...]
    receipt: str | None


async def capture(
    session: AsyncSession,
    caller: Caller,
    config: LogConfig,
    *,
    data: bytes,
    media_type: str,
    behaviour: Behaviour = "rollback",
    proof: Proof | None = None,
    strict: bool = False,
) -> Captured:
    """Records the events of a document.

    Under `rollback` one invalid event refuses them all, under `proceed` the others are recorded; the job says
    what was refused and why. An event delivered twice by the same recorder is recorded once.

    Raises DocumentInvalid or DocumentTooLarge when it is no document, AccountNotYours or SignatureInvalid
    when the recorder is not who it says.
    """
    document = _read(data)
    account = await _account(session, caller, proof)
    key_id = await _signed_by(session, caller, config, proof, data)
    ready, errors = _sift(caller, document, key_id, strict=strict)
    job = CaptureJob(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        user_id=caller.user_id,
        running=False,
        behaviour=behaviour,
        duplicates=len(document.events) - len(errors) - len(ready),
    )
    state = await log.lock(session, caller.ledger_id, config)
    # Only now does no other capture stand between what is known and what is written.
    known = await repository.known_identities(session, caller.ledger_id, (each.identity for each in ready))
    job.duplicates += len(known)
    fresh = [each for each in ready if each.identity not in known]
    taken = await _taken_ids(session, caller, fresh)
    errors += [_refusal(each.event, "epcis-event-id-taken", [], event_id=each.event_id) for each in taken]
    refused_whole = errors and behaviour == "rollback"
    valid = [] if refused_whole else [each for each in fresh if each not in taken]
    job.errors, job.success, job.finished_at = errors[:_MOST_ERRORS], not errors, now()
    job.captured = len(valid)
    session.add(job)
    await session.flush()
    if not valid:
        return Captured(job, state.size, (), None)
    received = _received(caller, job, data, media_type, account, key_id, proof)
    session.add(received)
    await session.flush()
    leaves = await _record(session, caller, config, state, received, document, valid)
    return Captured(job, leaves[0].sequence, leaves, receipt(config, leaves))


def _read(data: bytes) -> Document:
    try:
        document = read(data)
    except Unreadable as error:
        if error.fault.code in _TOO_LARGE:
            raise DocumentTooLarge(reason=error.fault.detail) from error
        raise DocumentInvalid(reason=error.fault.detail, errors=[_field_error(error.fault)]) from error
    faults = list(envelope_faults(document))
    if faults:
        raise DocumentInvalid(reason=faults[0].detail, errors=[_field_error(fault) for fault in faults])
    return document


def _field_error(fault: Fault) -> FieldError:
    return FieldError(fault.pointer, fault.code, detail=fault.detail)


async def _account(session: AsyncSession, caller: Caller, proof: Proof | None) -> str | None:
    """The account to record for: the one signed for, else the party's only one."""
    if proof is None:
        return caller.account
    if proof.account not in await parties.accounts_of(session, caller.party_id):
        raise AccountNotYours(account=proof.account)
    return proof.account


async def _signed_by(
    session: AsyncSession, caller: Caller, config: LogConfig, proof: Proof | None, data: bytes
) -> bytes | None:
    """The id of the key that signed, admitted for the account now; None for an unsigned document."""
    if proof is None:
        return None
    signed = signing.digest(
        config.chain_id, config.contract, config.log_id, bytes.fromhex(proof.account[2:]), data
    )
    key_id = signing.signer_key(signed, proof.signature, proof.jwk)
    if key_id is None or not await party_service.may_sign(
        session, caller.ledger_id, proof.account, hash32(key_id), SCOPE_RECORD
    ):
        raise SignatureInvalid(account=proof.account)
    return key_id


def _sift(
    caller: Caller, document: Document, key_id: bytes | None, *, strict: bool
) -> tuple[list[_Prepared], list[dict[str, Any]]]:
    """The valid events, each once, and a problem for each that is not valid."""
    prepared: dict[str, _Prepared] = {}
    errors: list[dict[str, Any]] = []
    for place, event in enumerate(document.events):
        faults = event_faults(document, event, strict=strict)
        if faults:
            errors.append(_refusal(event, "epcis-event-invalid", faults))
        else:
            ready = _prepare(caller, document, event, place, key_id)
            prepared.setdefault(ready.identity, ready)
    return list(prepared.values()), errors


def _prepare(caller: Caller, document: Document, event: Event, place: int, key_id: bytes | None) -> _Prepared:
    cbv_hash = event.cbv_hash()
    whole = sha256(
        b"tallystick recorded event v1\x00" + caller.party_id.bytes + (key_id or UNSIGNED) + event.identity()
    )
    return _Prepared(
        event,
        place,
        hash32(whole.digest()),
        cbv_hash,
        event.body.get("eventID", cbv_hash),
        _salted(flatten(event.body | {"@context": context_of(document)})),
        keys.keys_of(event),
    )


def _salted(values: dict[str, Any]) -> SaltedFields:
    """As `SaltedFields.of`, with one call for all salts of an event."""
    drawn = token_bytes(SALT_BYTES * len(values))
    salts = {name: drawn[place * SALT_BYTES : (place + 1) * SALT_BYTES] for place, name in enumerate(values)}
    return SaltedFields(values, salts)


def context_of(document: Document) -> list[Any]:
    """The context of a document as a list."""
    context = document.envelope.get("@context")
    return context if isinstance(context, list) else [context]


async def _taken_ids(session: AsyncSession, caller: Caller, fresh: Sequence[_Prepared]) -> list[_Prepared]:
    """Events whose eventID the party gave to another already, and that are no error declarations."""
    claims = [
        ready
        for ready in fresh
        if "eventID" in ready.event.body and "errorDeclaration" not in ready.event.body
    ]
    known = await repository.own_event_ids(
        session, caller.ledger_id, caller.party_id, {ready.event_id for ready in claims}
    )
    taken = []
    for ready in claims:
        if ready.event_id in known:
            taken.append(ready)
        known.add(ready.event_id)
    return taken


def _refusal(event: Event, code: str, faults: Sequence[Fault], **params: object) -> dict[str, Any]:
    """A problem document (RFC 9457) about one event of a job."""
    return {
        "type": f"urn:tallystick:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": 400 if faults else 409,
        "detail": text(code, "en", **params),
        "instance": event.pointer,
        "errors": [
            {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail} for fault in faults
        ],
    }


def _received(
    caller: Caller,
    job: CaptureJob,
    data: bytes,
    media_type: str,
    account: str | None,
    key_id: bytes | None,
    proof: Proof | None,
) -> ReceivedDocument:
    salt = token_bytes(32)
    return ReceivedDocument(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        job_id=job.id,
        media_type=media_type,
        body=data,
        salt=salt,
        body_hash=hash32(body_hash(salt, data)),
        account=account,
        key_id=hash32(key_id) if key_id else None,
        signature=proof.signature if proof else None,
        jwk=proof.jwk if proof else None,
    )


async def _record(
    session: AsyncSession,
    caller: Caller,
    config: LogConfig,
    state: LogState,
    received: ReceivedDocument,
    document: Document,
    valid: Sequence[_Prepared],
) -> tuple[Leaf, ...]:
    readers = await _readers(session, caller, valid)
    moment = log.clock(state)
    context = context_of(document)
    leaves: list[Leaf] = []
    rows: list[dict[str, object]] = []
    index: list[dict[str, object]] = []
    seen: list[dict[str, object]] = []
    for sequence, ready in enumerate(valid, state.size):
        leaf = Leaf(
            log_id=config.log_id,
            sequence=sequence,
            recorder=bytes.fromhex(received.account[2:]) if received.account else NO_ACCOUNT,
            key_id=bytes.fromhex(received.key_id[2:]) if received.key_id else UNSIGNED,
            received_at=moment,
            cbv_hash=cbv_digest(ready.cbv_hash),
            body_hash=bytes.fromhex(received.body_hash[2:]),
            place=ready.place,
            fields_root=ready.fields.root(),
        )
        leaves.append(leaf)
        rows.append(_row(caller, received, context, ready, leaf))
        owner = {"ledger_id": caller.ledger_id, "sequence": sequence}
        index += [owner | {"name": name, "value": value} for name, value in ready.keys]
        seen += [owner | {"party_id": party} for party in readers[ready.place]]
    await log.append(session, state, leaves)
    await repository.add_events(session, rows, index, seen)
    return tuple(leaves)


def _row(
    caller: Caller, received: ReceivedDocument, context: list[Any], ready: _Prepared, leaf: Leaf
) -> dict[str, object]:
    salts = ready.fields.salts
    return {
        "id": uuid7(),
        "ledger_id": caller.ledger_id,
        "party_id": caller.party_id,
        "sequence": leaf.sequence,
        "document_id": received.id,
        "place": ready.place,
        "identity": ready.identity,
        "event_id": ready.event_id,
        "cbv_hash": ready.cbv_hash,
        "kind": ready.event.kind[:255],
        "event_time": event_time(ready.event.body["eventTime"]),
        "record_time": from_milliseconds(leaf.received_at),
        "body": dumps(ready.event.body),
        "context": context,
        "salts": b"".join(salts[name] for name in sorted(salts)),
        "leaf": leaf.encode(),
    }


def event_time(written: str) -> datetime:
    """An event's time; digits beyond the microsecond are cut, as the database keeps no more."""
    return datetime.fromisoformat(written)


def from_milliseconds(moment: int) -> datetime:
    """Milliseconds since 1970 as an aware datetime, exact."""
    return from_unix(moment // 1000) + timedelta(milliseconds=moment % 1000)


def fields_of(body: dict[str, Any], context: list[Any], salts: bytes) -> SaltedFields:
    """The salted fields of a stored event."""
    values = flatten(body | {"@context": context})
    names = sorted(values)
    parts = [salts[place : place + SALT_BYTES] for place in range(0, len(salts), SALT_BYTES)]
    return SaltedFields(values, dict(zip(names, parts, strict=True)))


async def _readers(session: AsyncSession, caller: Caller, valid: Sequence[_Prepared]) -> dict[int, set[UUID]]:
    """Place in the document → who may read the event: its recorder and the parties it names by a GLN."""
    named = {ready.place: keys.glns_of(ready.event) for ready in valid}
    found: dict[str, UUID] = {}
    for gln in sorted(set().union(*named.values())):
        party = await party_service.find_by_gln(session, caller.ledger_id, gln)
        if party is not None:
            found[gln] = party.id
    return {
        place: {caller.party_id, *(found[gln] for gln in glns if gln in found)}
        for place, glns in named.items()
    }


def receipt(config: LogConfig, leaves: Sequence[Leaf]) -> str:
    """The log's signed promise: these leaves stand at these places, and the chain covers them by a moment.

    A signed note (C2SP signed-note). Whoever holds it and finds no such head by then holds the evidence.
    """
    received = from_milliseconds(leaves[0].received_at)
    lines = (
        f"{config.origin} receipt v1",
        f"leaves {leaves[0].sequence}-{leaves[-1].sequence}",
        f"root {root_of(leaf.hash() for leaf in leaves).hex()}",
        f"received {iso(received)}",
        f"anchored-by {iso(received + config.longest_delay)}",
    )
    return config.signer.sign("".join(f"{line}\n" for line in lines))


def account_form(given: str) -> str | None:
    """An account's address with its checksum, or None for text that is none."""
    try:
        return address(given)
    except ValueError:
        return None
